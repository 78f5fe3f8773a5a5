"""Two nodes part, both sides build, they meet: the indexer ends on the branch that won."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from devnet_run import (
    PATIENCE_SECONDS,
    Devnet,
    height,
    is_ready,
    open_till,
    order_status,
    readiness,
    running,
    until,
    until_settled,
)

from devnet.databases import create_database
from devnet.node import open_node
from devnet.oracle_client import open_oracle
from devnet.ports import LOOPBACK, free_port
from devnet.services import run_to_end, start_service

pytestmark = [pytest.mark.timeout(1200), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def devnet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Devnet]:
    home = tmp_path_factory.mktemp("pos2")
    async with running(
        Devnet(home, ("--nodes", "2"), {"BILLCOIN_MAX_TIP_AGE_SECONDS": "24"})
    ) as up:
        yield up


@asynccontextmanager
async def trusting(devnet: Devnet, logs: Path, **nodes: str) -> AsyncIterator[str]:
    """A second indexer and oracle, with these settings about their nodes; the oracle's URL."""
    variables = devnet.variables()
    database_url = await create_database(variables["DATABASE_URL"])
    url = f"http://{LOOPBACK}:{(port := free_port())}"
    own = variables | {
        "DATABASE_URL": database_url,
        "BILLCOIN_NODE_WS_URL": "",
        "BILLCOIN_ORACLE_PORT": str(port),
        # Its database has no accounts.
        "BILLCOIN_ACCESS": "open",
        **nodes,
    }
    await run_to_end(start_service("billcoin-indexer", ["migrate"], logs=logs, variables=own))
    processes = [
        start_service("billcoin-indexer", ["run"], logs=logs, variables=own),
        start_service("billcoin-oracle", ["serve"], logs=logs, variables=own),
    ]
    try:
        async with open_oracle(url) as oracle:
            await until("the second oracle", oracle.is_ready)
        yield url
    finally:
        for process in processes:
            await asyncio.to_thread(process.stop)


async def test_a_partition_is_a_real_reorganisation(devnet: Devnet, tmp_path: Path) -> None:
    majority, minority = (await devnet.status())["nodeUrls"]
    quorum_url = devnet.variables()["BILLCOIN_ORACLE_URL"]
    async with (
        trusting(devnet, tmp_path, BILLCOIN_NODE_HTTP_URL=minority) as single_url,
        devnet.oracle() as quorum,
        open_oracle(single_url) as single,
        open_till(single) as till,
    ):
        swallowed = await single.create_order("fresh-250ml", 1)
        doubted = await quorum.create_order("fresh-250ml", 1)
        await devnet.do("fault", "partition")
        # Only the smaller side sees this payment, and puts it into a block of its own.
        paid = await devnet.pay(swallowed, BILLCOIN_NODE_HTTP_URL=minority)
        await till.hears(swallowed, "paid")
        lost_block = paid["blockHash"]
        # Where both nodes are asked, the ledger stays at the last block that both have. First the
        # payment is not found, then the oracle says that it is unsure; never yes.
        answer = await _validate(quorum_url, paid["txHash"], doubted["amountDue"])
        assert not answer[1]
        await until("the doubt", lambda: _refuses(quorum_url))
        answer = await _validate(quorum_url, paid["txHash"], doubted["amountDue"])
        assert answer == (503, False)
        fork = paid["blockNumber"]

        async def majority_is_ahead() -> bool:
            return await height(majority) > await height(minority) and await height(majority) > fork

        await until("the larger side's blocks", majority_is_ahead)
        assert await _hash_at(majority, fork) != lost_block

        await devnet.do("fault", "heal")
        await till.hears(swallowed, "reversed")
        winning = await _hash_at(majority, fork)

        async def has_switched() -> bool:
            return await _hash_at(minority, fork) == winning

        await until("the winning branch", has_switched)
        assert await _receipt(minority, paid["txHash"]) is None

        again = await devnet.do("wallet", "resend", paid["txHash"])
        assert again["txHash"] == paid["txHash"]
        assert again["blockHash"] != lost_block
        async with asyncio.timeout(PATIENCE_SECONDS):
            await till.hears(swallowed, "settled")
        assert till.statuses(swallowed)[1:] == ["paid", "reversed", "paid", "settled"]
        assert await order_status(single, swallowed) == "settled"

        # The one who asks both is sure again, on the same branch.
        await until("the quorum", lambda: is_ready(quorum_url))
        await devnet.pay(doubted)
        await until_settled(devnet, doubted)


async def test_a_node_that_stays_behind_stops_whoever_needs_both_and_nobody_else(
    devnet: Devnet, tmp_path: Path
) -> None:
    quorum_url = devnet.variables()["BILLCOIN_ORACLE_URL"]
    async with (
        trusting(devnet, tmp_path, BILLCOIN_NODES_REQUIRED="1") as either_url,
        open_oracle(either_url) as either,
        open_till(either) as till,
    ):
        await devnet.do("fault", "lag-node")
        await until("the doubt", lambda: _refuses(quorum_url))
        sold = await either.create_order("fresh-250ml", 1)
        await devnet.pay(sold)
        await till.hears(sold, "paid")
        assert await is_ready(either_url)
        await devnet.do("fault", "catch-up")
        await until("the quorum", lambda: is_ready(quorum_url))
        await till.hears(sold, "settled")


async def _refuses(url: str) -> bool:
    return (await readiness(url)).get("code") in {
        "nodes_disagree",
        "ledger_behind",
        "chain_stalled",
    }


async def _validate(url: str, tx_hash: str, amount: str) -> tuple[int, bool]:
    body = {"txHash": tx_hash, "expectedAmount": amount}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v1/payments/validate", json=body) as reply,
    ):
        answer = await reply.json(content_type=None)
        return reply.status, bool(answer["valid"])


async def _hash_at(url: str, number: int) -> str:
    hydrated = False
    async with open_node(url) as node:
        block = await node.call("eth_getBlockByNumber", hex(number), hydrated)
    return "" if block is None else str(block["hash"])


async def _receipt(url: str, tx_hash: str) -> Any:
    async with open_node(url) as node:
        return await node.call("eth_getTransactionReceipt", tx_hash)
