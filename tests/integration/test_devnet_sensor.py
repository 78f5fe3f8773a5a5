"""A pasteuriser line on a real chain: sound batches are minted, each fault is refused by name."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from market import Market, open_market
from relay_proxy import Trouble, open_proxy
from typer.testing import CliRunner

from devnet.__main__ import app
from devnet.dev_accounts import economy_accounts
from devnet.manifest import write_manifest
from devnet.sensor import NO_REASON, Fault
from devnet.token_calls import balance
from devnet.transactions import address_of
from ledger.errors import RejectedError
from ledger.units import parse_bill

REFUSALS = {
    Fault.UNDER_TEMPERATURE: "pasteurisation: batch is not pasteurised",
    Fault.SHORT_HOLDING: "pasteurisation: batch is not pasteurised",
    Fault.IMPOSSIBLE_HOLDING: "minting_module: held for longer than the batch took",
    Fault.REPLAY: "minting_module: nonce is used",
    Fault.REUSED_BATCH_ID: "minting_module: batch is accepted already",
    Fault.CLOCK_SKEW: "minting_module: batch ends in the future",
    Fault.TOO_OLD: "minting_module: attestation is too old",
    Fault.EMPTY: "minting_module: batch is empty",
    Fault.OVER_QUOTA: "dairy_register: quota is used up",
    Fault.SECOND_SENSOR_MISSING: "minting_module: large batch needs a second sensor",
    Fault.UNKNOWN_SENSOR: "dairy_register: sensor is not approved for the dairy",
    Fault.FORGED_SIGNATURE: "minting_module: invalid signature",
}


@pytest.fixture
async def market(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Market]:
    async with open_market(ledger_url, economy=True) as opened:
        write_manifest(tmp_path, opened.manifest.variables())
        monkeypatch.setenv("BILLCOIN_HOME", str(tmp_path))
        yield opened


async def sensor(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["sensor", *arguments])


async def told(*arguments: str) -> list[dict[str, Any]]:
    result = await sensor(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


async def held(market: Market) -> int:
    dairy = address_of(economy_accounts().dairy)
    return await balance(market.node, market.manifest.deployment.token, dairy)


async def test_sound_batches_are_minted_and_every_fault_is_refused_by_name(
    market: Market,
) -> None:
    first, second = await told("--litres", "400", "--batches", "2")
    assert first["accepted"]
    assert first["refusal"] is None
    assert first["batchId"] != second["batchId"]
    (large,) = await told("--litres", "1500")
    assert large["accepted"]
    assert await held(market) == parse_bill("2300")
    found = {}
    for fault in Fault:
        (refused,) = await told("--litres", "10", "--fault", fault)
        assert not refused["accepted"]
        found[fault] = refused["refusal"]
    assert found == REFUSALS
    # Of the refused batches nothing was minted but what two of the faults submit twice.
    assert await held(market) == parse_bill("2320")


async def test_a_refused_batch_can_be_shown_on_the_chain(market: Market) -> None:
    (refused,) = await told("--fault", "under-temperature", "--broadcast-refused")
    receipt = await market.node.call("eth_getTransactionReceipt", refused["txHash"])
    assert receipt["status"] == "0x0"
    spoken = await sensor("--fault", "empty")
    assert "refused: minting_module: batch is empty" in spoken.stdout


async def test_where_the_node_tells_no_reason_none_is_made_up(
    market: Market, tmp_path: Path
) -> None:
    async with open_proxy() as proxy:
        proxy.target = market.manifest.node_http_url
        proxy.make(Trouble.TELLS_NO_REASON, times=0)
        here = replace(market.manifest, node_http_url=proxy.url)
        write_manifest(tmp_path, here.variables())
        (refused,) = await told("--fault", "replay", "--broadcast-refused")
    assert (refused["accepted"], refused["refusal"]) == (False, NO_REASON)
    receipt = await market.node.call("eth_getTransactionReceipt", refused["txHash"])
    assert receipt["status"] == "0x0"


async def test_a_devnet_without_an_economy_says_so(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = {
        name: value
        for name, value in market.manifest.variables().items()
        if not name.startswith(("BILLCOIN_M", "BILLCOIN_STANDING"))
    }
    write_manifest(tmp_path, bare)
    monkeypatch.setenv("BILLCOIN_HOME", str(tmp_path))
    result = await sensor()
    assert isinstance(result.exception, RejectedError)
    assert result.exception.param == "BILLCOIN_MINTING_MODULE_ADDRESS"
