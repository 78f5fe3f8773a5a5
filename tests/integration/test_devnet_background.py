"""`billcoin-devnet up`, for real, on anvil: used, made to misbehave, up again, forgotten."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from devnet_run import Devnet

from devnet import faults
from devnet.background.identity import Identity
from devnet.background.record import Folders, Record, require_up
from devnet.node import open_node
from ledger.errors import RejectedError

# Twelve commands of a second each, on a machine that may have other work.
pytestmark = pytest.mark.timeout(400)
PATIENCE_SECONDS = 60.0


@pytest_asyncio.fixture
async def devnet(tmp_path: Path) -> AsyncIterator[Devnet]:
    home = Devnet(tmp_path)
    try:
        yield home
    finally:
        await home.run("reset", "--yes")


async def block_number(url: str) -> int:
    async with open_node(url) as node:
        return await node.quantity("eth_blockNumber")


async def test_a_devnet_stays_up_is_used_and_goes_on_where_it_stopped(devnet: Devnet) -> None:
    up = await devnet.do("up", "--nodes", "3")
    assert len(up["nodeUrls"]) == 3
    code, _, error = await devnet.run("up")
    assert code == 2
    assert "devnet_running" in error
    async with open_node(up["nodeUrls"][0]) as node:
        coin = [
            await node.quantity("eth_getBalance", address, "latest")
            for address in up["people"].values()
        ]
    assert len(coin) == 5
    assert all(coin)
    await _sell(devnet)
    await _misbehave(devnet, up)
    before = await devnet.do("status")
    assert before["up"]
    assert all(before["alive"].values())
    code, logs, _ = await devnet.run("logs", "billcoin-indexer-run", "-n", "3")
    assert code == 0
    assert len(logs.splitlines()) == 3
    assert (await devnet.do("down"))["stopped"]
    assert not any(Identity(**told).is_alive() for told in before["processes"].values())
    assert not (await devnet.do("down"))["stopped"]
    code, _, _ = await devnet.run("status")
    assert code == 1

    again = await devnet.do("up")
    assert again["people"] == up["people"]
    assert await block_number(again["nodeUrls"][0]) >= before["chain"][0]["latest"]
    await _sell(devnet)
    await devnet.do("reset", "--yes")
    assert not (devnet.home / "devnet").exists()
    assert (devnet.home / "wallets").exists()


async def _sell(devnet: Devnet) -> None:
    async with devnet.oracle() as oracle:
        order = await oracle.create_order("fresh-250ml", 1)
        paid = await devnet.pay(order)
        verdict = await oracle.validate(bytes.fromhex(paid["txHash"][2:]), order["amountDue"])
        assert verdict["valid"], verdict


async def _misbehave(devnet: Devnet, up: dict[str, Any]) -> None:
    first, _, last = up["nodeUrls"]
    record = require_up(Folders(devnet.home))
    await devnet.do("fault", "pause-blocks")
    stands_at = await block_number(first)
    await faults.lag(record, 2)
    assert await block_number(last) == stands_at - 2
    await faults.catch_up(record)
    assert await block_number(last) == stands_at
    await _lost_and_found(devnet, record)
    await faults.lie(record, "wrong_header")
    async with open_node(last) as liar, open_node(first) as honest:
        hydrated = False
        question = ("eth_getBlockByNumber", hex(stands_at - 1), hydrated)
        assert await liar.call(*question) != await honest.call(*question)
    await faults.catch_up(record)
    async with devnet.oracle() as oracle:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await oracle.is_ready():  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.1)


async def _lost_and_found(devnet: Devnet, record: Record) -> None:
    """A payment that a reorganisation drops is sent again, the same one."""
    async with (
        devnet.oracle() as oracle,
        open_node(record.node_urls[0]) as node,
    ):
        order = await oracle.create_order("fresh-250ml", 1)
        paying = asyncio.create_task(devnet.pay(order))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await node.call("txpool_status"))["pending"] == "0x0":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await node.call("evm_mine")
        paid = await paying
        with pytest.raises(RejectedError) as refused:
            await faults.reorganise(record, 60)
        assert refused.value.code == "reorg_past_finalized"
        await faults.reorganise(record, 1)
        assert await node.call("eth_getTransactionReceipt", paid["txHash"]) is None
        await faults.resume_blocks(record)
        again = await devnet.do("wallet", "resend", paid["txHash"])
        assert again["txHash"] == paid["txHash"]
        assert again["blockHash"] != paid["blockHash"]
        verdict = await oracle.validate(bytes.fromhex(paid["txHash"][2:]), order["amountDue"])
        assert verdict["valid"], verdict
