"""A payment's proof, from the chain through the ledger and the oracle to somebody's file."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from market import BILL, Market, indexing, open_market, wait_for

from devnet.ports import LOOPBACK, free_port
from devnet.services import start_service
from ledger.json_hex import to_hex
from ledger.order import Status
from ledger.store.payment_proofs import read_proof

COMMAND = str(Path(sys.executable).with_name("billcoin-indexer"))


@pytest.fixture
async def market(ledger_url: str) -> AsyncIterator[Market]:
    async with open_market(ledger_url) as opened:
        yield opened


@pytest.fixture
async def oracle_url(market: Market, tmp_path: Path) -> AsyncIterator[str]:
    port = free_port()
    variables = market.environment() | {
        "BILLCOIN_ACCESS": "open",
        "BILLCOIN_ORACLE_HOST": LOOPBACK,
        "BILLCOIN_ORACLE_PORT": str(port),
    }
    service = start_service("billcoin-oracle", ["serve"], logs=tmp_path, variables=variables)
    url = f"http://{LOOPBACK}:{port}"

    async def is_up() -> bool:
        service.require_running()
        try:
            return (await answer(url, "/healthz"))[0] == 200
        except (aiohttp.ClientError, ValueError):
            return False

    try:
        await wait_for_slowly(is_up)
        yield url
    finally:
        await asyncio.to_thread(service.stop)


async def wait_for_slowly(condition: object) -> None:
    for _ in range(3):
        try:
            return await wait_for(condition, "the oracle")  # type: ignore[arg-type]
        except AssertionError:
            continue
    raise AssertionError("the oracle did not start")


async def answer(url: str, path: str) -> tuple[int, dict[str, object]]:
    async with aiohttp.ClientSession() as session, session.get(url + path) as reply:
        return reply.status, await reply.json(content_type=None)


async def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [COMMAND, "verify-proof", *arguments],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_a_customer_checks_her_payment_with_nothing_but_a_block_hash(
    market: Market, oracle_url: str, tmp_path: Path
) -> None:
    async with indexing(market):
        order = await market.order()
        tx_hash = await market.pay(order.address, BILL)
        await market.until(order.id, Status.PAID)
        path = f"/api/v1/payments/{to_hex(tx_hash)}/proof"

        async def is_proven() -> bool:
            return (await answer(oracle_url, path))[0] == 200

        await wait_for(is_proven, "the proof")
    status, proof = await answer(oracle_url, path)
    assert status == 200
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(proof, indent=2))
    block = await market.node.call("eth_getBlockByNumber", "latest", False)  # noqa: FBT003
    ended = await verify(str(file), "--block-hash", block["hash"], "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["tx_hash"] == to_hex(tx_hash)
    assert told["transfers"] == [
        f"1 BILL from {to_hex(market_payer(proof))} to {to_hex(order.address)}"
    ]
    refused = await verify(str(file), "--block-hash", "0x" + "11" * 32)
    assert refused.returncode == 1
    assert "block_hash" in refused.stderr
    file.write_text(json.dumps(proof).replace("0de0b6b3a7640000", "1de0b6b3a7640000", 1))
    assert (await verify(str(file))).returncode == 1


def market_payer(proof: dict[str, object]) -> bytes:
    transfers = proof["transfers"]
    assert isinstance(transfers, list)
    return bytes.fromhex(transfers[0]["sender"][2:])


async def test_what_is_no_payment_has_no_proof(market: Market, oracle_url: str) -> None:
    async with indexing(market):
        unmatched = await market.pay(market.manifest.deployment.treasury, BILL)
        await market.until_tip()
    status, problem = await answer(oracle_url, f"/api/v1/payments/{to_hex(unmatched)}/proof")
    assert (status, problem["code"]) == (404, "payment_not_found")
    status, problem = await answer(oracle_url, "/api/v1/payments/0x12/proof")
    assert (status, problem["code"]) == (400, "tx_hash_invalid")


async def test_a_payment_that_moved_is_proven_where_it_stands_now(market: Market) -> None:
    chain_id = market.chain.chain_id

    async def block_of_proof(tx_hash: bytes) -> str | None:
        stored = await read_proof(market.ledger, chain_id, tx_hash)
        if stored is None or stored.document is None:
            return None
        return str(json.loads(stored.document)["blockHash"])

    async with indexing(market):
        order = await market.order()
        await market.mine(3)
        first = await market.pay(order.address, BILL)
        await market.until(order.id, Status.PAID)

        async def is_proven() -> bool:
            return await block_of_proof(first) is not None

        await wait_for(is_proven, "the proof")
        await market.reorg(1)
        await market.until(order.id, Status.REVERSED)
        assert await read_proof(market.ledger, chain_id, first) is None
        second = await market.pay(order.address, BILL)
        await market.until(order.id, Status.PAID)

        async def is_proven_again() -> bool:
            return await block_of_proof(second) is not None

        await wait_for(is_proven_again, "the second proof")
    stored = await market.ledger.fetchval("SELECT count(*) FROM payment_proof")
    assert stored == 2
