"""How much memory the indexer holds after a million transfers, followed live."""

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import psutil

from benchmarks.backfill_chain import deploy_emitter
from benchmarks.figures import Figure, say
from devnet.anvil import anvil
from devnet.databases import create_database
from devnet.deploy import deploy
from devnet.dev_accounts import DEPLOYER_INDEX, TREASURY_INDEX, dev_account
from devnet.node import Node, open_node
from devnet.postgres import start_postgres
from devnet.services import start_service
from devnet.transactions import address_of
from ledger.json_hex import to_hex
from ledger.store.pool import Connection, connect
from migrations import upgrade

TRANSFERS = 1_000_000
TRANSFERS_PER_BLOCK = 250

_TRANSFERS_VARIABLE = "BILLCOIN_BENCH_TRANSFERS"
_GAS_LIMIT = 2_000_000
_SAMPLES = 10
_POLL_SECONDS = 0.05
_MEGABYTE = 1_000_000


async def measure_memory() -> list[Figure]:
    """`memory.indexer_megabytes`: resident memory after a million transfers.

    The floor is the same process's after the first tenth of them: a ratio near 1 is a flat line.
    Fewer transfers with `BILLCOIN_BENCH_TRANSFERS`.
    """
    total = int(os.environ.get(_TRANSFERS_VARIABLE, TRANSFERS))
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="billcoin-bench-")))
        server = await asyncio.to_thread(start_postgres, durable=True)
        exits.push_async_callback(asyncio.to_thread, server.process.stop)
        url = await create_database(server.url(), name="billcoin")
        await upgrade(url)
        chain = await exits.enter_async_context(anvil(slots_in_an_epoch=2))
        node = await exits.enter_async_context(open_node(chain.http_url))
        manifest = await deploy(
            node,
            dev_account(DEPLOYER_INDEX),
            chain_id=chain.chain_id,
            treasury=address_of(dev_account(TREASURY_INDEX)),
            node_ws_url=chain.ws_url,
        )
        emitter = await deploy_emitter(node, chain.chain_id, transfers=TRANSFERS_PER_BLOCK)
        manifest = replace(manifest, deployment=replace(manifest.deployment, token=emitter))
        variables = manifest.variables() | {"DATABASE_URL": url}
        indexer = start_service("billcoin-indexer", ["run"], logs=folder, variables=variables)
        exits.push_async_callback(asyncio.to_thread, indexer.stop)
        ledger = await connect(url, application_name="billcoin-bench")
        exits.push_async_callback(ledger.close)
        samples = await _follow(node, ledger, emitter, blocks=total // TRANSFERS_PER_BLOCK)
    return [Figure("memory.indexer_megabytes", samples[-1], "MB", samples[0])]


async def _follow(node: Node, ledger: Connection, emitter: bytes, *, blocks: int) -> list[float]:
    """Mine blocks full of transfers and weigh the indexer after each tenth of them."""
    sender = dev_account(DEPLOYER_INDEX).address
    samples: list[float] = []
    for index in range(1, blocks + 1):
        recipient = index.to_bytes(20, "big")
        call = {
            "from": sender,
            "to": to_hex(emitter),
            "gas": hex(_GAS_LIMIT),
            "data": to_hex(bytes(12) + recipient + (10**18).to_bytes(32, "big")),
        }
        await node.call("eth_sendTransaction", call)
        if index % max(blocks // _SAMPLES, 1) == 0:
            await _until_applied(ledger, await node.quantity("eth_blockNumber"))
            samples.append(_indexer_megabytes())
            say(f"memory: {index * TRANSFERS_PER_BLOCK} transfers, {samples[-1]} MB")
    return samples


async def _until_applied(ledger: Connection, number: int) -> None:
    while (await ledger.fetchval("SELECT max(tip_number) FROM chain") or 0) < number:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)


def _indexer_megabytes() -> float:
    """The largest of our descendants that runs the indexer: its leash is small."""
    descendants = psutil.Process().children(recursive=True)
    indexers = [child for child in descendants if "billcoin-indexer" in " ".join(child.cmdline())]
    largest: int = max(child.memory_info().rss for child in indexers)
    return round(largest / _MEGABYTE, 1)
