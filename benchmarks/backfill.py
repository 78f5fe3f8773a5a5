"""How fast history is taken in, every block proven, beside fetching it and throwing it away."""

import asyncio
import http.client
import os
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from multiprocessing import get_context

from benchmarks.backfill_chain import TRANSFERS_PER_BLOCK, HistoryChain, history_chain
from benchmarks.figures import Figure, say
from benchmarks.http_load import host_and_port
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
_FLOOR_BATCH_BLOCKS = 25
_FLOOR_WORKERS = 2
_TIMEOUT_SECONDS = 60.0


async def measure_backfill() -> list[Figure]:
    """`backfill.transfers_per_second`, of 20,000 blocks with ten transfers in one transaction.

    Node, Postgres (durable) and indexer share the machine's processors. The time counts from
    before the worker processes start until the last block is committed. The floor fetches the
    same answers by the same number of processes and looks at none. Fewer blocks with
    `BILLCOIN_BENCH_BLOCKS`.
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
        floor_seconds = await _throw_away(task)
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


@dataclass(frozen=True, slots=True)
class _Floor:
    """A range to fetch and throw away."""

    node_url: str
    first: int
    last: int


async def _throw_away(task: RangeTask) -> float:
    """Seconds for fetching all answers once, read to their last byte and not parsed."""
    middle = (task.first + task.last) // 2
    whole = _Floor(task.node_url, task.first, task.last)
    started = time.perf_counter()
    with ProcessPoolExecutor(_FLOOR_WORKERS, mp_context=get_context("spawn")) as pool:
        await _both(pool, replace(whole, last=middle), replace(whole, first=middle + 1))
        return time.perf_counter() - started


async def _both(pool: Executor, *halves: _Floor) -> None:
    await asyncio.gather(*(asyncio.wrap_future(pool.submit(_fetch, half)) for half in halves))


def _fetch(floor: _Floor) -> int:
    """Fetch in batches and give the number of bytes."""
    connection = http.client.HTTPConnection(*host_and_port(floor.node_url))
    total = 0
    for first in range(floor.first, floor.last + 1, _FLOOR_BATCH_BLOCKS):
        numbers = range(first, min(first + _FLOOR_BATCH_BLOCKS, floor.last + 1))
        body = "[" + ",".join(_calls(number) for number in numbers) + "]"
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        total += len(connection.getresponse().read())
    return total


def _calls(number: int) -> str:
    call = '{{"jsonrpc":"2.0","id":1,"method":"{}","params":["{}"{}]}}'
    height = hex(number)
    block = call.format("eth_getBlockByNumber", height, ",true")
    return block + "," + call.format("eth_getBlockReceipts", height, "")
