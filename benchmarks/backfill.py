"""How fast history is taken in, every block proven, beside fetching it and throwing it away."""

import asyncio
import os
import time
from contextlib import AsyncExitStack

from benchmarks.backfill_chain import TRANSFERS_PER_BLOCK, HistoryChain, history_chain
from benchmarks.backfill_floor import seconds_to_throw_away
from benchmarks.figures import Figure, say
from devnet.databases import create_database
from devnet.node import open_node
from devnet.postgres import start_postgres
from indexer.backfill import DEFAULT_WORKERS, backfill_until, process_pool
from indexer.backfill_worker import RangeTask
from ledger.header import prove_header
from ledger.store.cursor import read_cursor, register
from ledger.store.pool import connect
from migrations import upgrade

BLOCKS = 20_000
_BLOCKS_VARIABLE = "BILLCOIN_BENCH_BLOCKS"
_TIMEOUT_SECONDS = 60.0


async def measure_backfill() -> list[Figure]:
    """`backfill.transfers_per_second`, of 20,000 blocks with ten transfers in one transaction.

    Node, Postgres (durable) and indexer share the machine's processors. The time counts from
    before the worker processes start until the last block is committed. The floor fetches the
    same answers and looks at none. Fewer blocks with `BILLCOIN_BENCH_BLOCKS`.
    """
    blocks = int(os.environ.get(_BLOCKS_VARIABLE, BLOCKS))
    async with AsyncExitStack() as exits:
        server = await asyncio.to_thread(start_postgres, durable=True)
        exits.push_async_callback(asyncio.to_thread, server.process.stop)
        database_url = await create_database(server.url(), name="billcoin")
        await upgrade(database_url)
        chain = await exits.enter_async_context(history_chain(blocks=blocks))
        task = RangeTask(
            node_url=chain.manifest.node_http_url,
            chain_id=chain.manifest.deployment.chain_id,
            token=chain.manifest.deployment.token,
            first=chain.first,
            last=chain.last,
            timeout_seconds=_TIMEOUT_SECONDS,
        )
        say(f"backfill: {blocks} blocks; load average {os.getloadavg()[0]:.1f} beforehand ...")
        floor_seconds = await seconds_to_throw_away(task.node_url, task.first, task.last)
        seconds = await _backfill(database_url, chain, task)
    count = blocks * TRANSFERS_PER_BLOCK
    return [
        Figure(
            "backfill.transfers_per_second",
            round(count / seconds),
            "transfers/s",
            round(count / floor_seconds),
        )
    ]


async def _backfill(database_url: str, chain: HistoryChain, task: RangeTask) -> float:
    deployment = chain.manifest.deployment
    connection = await connect(database_url, application_name="billcoin-bench")
    async with open_node(task.node_url) as node:
        height = hex(task.first - 1)
        anchor = prove_header(await node.call("eth_getBlockByNumber", height, False))  # noqa: FBT003
    async with connection.transaction():
        await register(connection, deployment, anchor=anchor)
    cursor = await read_cursor(connection, deployment.chain_id)
    if cursor is None:
        raise RuntimeError("the ledger was not registered")
    started = time.perf_counter()
    with process_pool(DEFAULT_WORKERS) as pool:
        cursor = await backfill_until(connection, pool, cursor, task=task, workers=DEFAULT_WORKERS)
        seconds = time.perf_counter() - started
    if cursor.tip.number != task.last:
        raise RuntimeError("the backfill did not reach the end")
    await connection.close()
    return seconds
