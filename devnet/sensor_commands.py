"""`billcoin-devnet sensor`: a dairy's pasteuriser line that attests batches to a running devnet."""

import asyncio
import json
from dataclasses import dataclass, replace
from random import Random
from typing import Annotated, Any

import typer

from devnet.console import EXIT_FAILED, EXIT_REJECTED, say
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account, economy_accounts
from devnet.home import state_home
from devnet.manifest import Manifest, load_manifest
from devnet.node import Node, open_node
from devnet.parts import require_economy
from devnet.sensor import Fault, Line, SignedBatch, chain_time, measure, prepare, refusal, submit
from devnet.transactions import address_of
from devnet.wallet_commands import Json
from ledger.json_hex import to_hex
from ledger.payment_uri import format_address
from ledger.units import Units, format_bill, format_decimal, parse_bill

_RANDOM_LITRES = (200, 900)


@dataclass(frozen=True)
class _Work:
    """What a line is to do."""

    line: Line
    litres: Units | None
    batches: int
    every_seconds: float
    fault: Fault | None
    broadcast_refused: bool
    as_json: bool


def sensor(
    *,
    litres: Annotated[
        str | None, typer.Option(help="Litres of each batch; by default some hundreds.")
    ] = None,
    batches: Annotated[int, typer.Option(min=1, max=100_000, help="How many batches.")] = 1,
    every: Annotated[float, typer.Option(min=0, help="Seconds between two batches.")] = 0.0,
    fault: Annotated[Fault | None, typer.Option(help="Make every batch wrong in this way.")] = None,
    broadcast_refused: Annotated[
        bool,
        typer.Option("--broadcast-refused", help="Send refused batches too; they revert on chain."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure, sign and submit batches as a dairy's sensors do.

    Exit status 2 when the contract refuses a sound batch, 1 when it accepts one with a fault.
    """
    manifest = load_manifest(state_home())
    work = _Work(
        line=_line(manifest),
        litres=None if litres is None else parse_bill(litres, param="litres"),
        batches=batches,
        every_seconds=every,
        fault=fault,
        broadcast_refused=broadcast_refused,
        as_json=as_json,
    )
    # Measurements, not secrets.
    refused = asyncio.run(_run(work, manifest, Random()))  # noqa: S311
    if fault is None and refused:
        raise typer.Exit(EXIT_REJECTED)
    if fault is not None and refused < batches:
        raise typer.Exit(EXIT_FAILED)


def _line(manifest: Manifest) -> Line:
    accounts = economy_accounts()
    return Line(
        module=require_economy(manifest).minting_module,
        chain_id=manifest.deployment.chain_id,
        dairy=address_of(accounts.dairy),
        sensors=accounts.sensors,
    )


async def _run(work: _Work, manifest: Manifest, random: Random) -> int:
    """Do the work; returns how many batches were refused."""
    refused = 0
    async with open_node(manifest.node_http_url) as node:
        for number in range(work.batches):
            if number:
                await asyncio.sleep(work.every_seconds)
            told = await _attest(node, work, random)
            refused += told["refusal"] is not None
            say(json.dumps(told) if work.as_json else _words(told))
    return refused


async def _attest(node: Node, work: _Work, random: Random) -> dict[str, Any]:
    litres = work.litres or parse_bill(str(random.randint(*_RANDOM_LITRES)))
    sound = measure(work.line, random, litres=litres, at_seconds=await chain_time(node))
    batch = prepare(sound, work.line, fault=work.fault)
    sender = dev_account(DEPLOYER_INDEX)
    if work.fault in {Fault.REPLAY, Fault.REUSED_BATCH_ID}:
        await submit(node, batch, work.line, sender)
    if work.fault is Fault.REUSED_BATCH_ID:
        batch = prepare(replace(sound, nonce=sound.nonce + 1), work.line)
    words = await refusal(node, batch, work.line, sender)
    told = _told(batch, words, work.fault)
    if words is None or work.broadcast_refused:
        receipt = await submit(node, batch, work.line, sender, is_refused=words is not None)
        told |= {"txHash": to_hex(receipt.tx_hash), "blockNumber": receipt.block_number}
    return told


def _told(batch: SignedBatch, words: str | None, fault: Fault | None) -> dict[str, Any]:
    attestation = batch.attestation
    return {
        "batchId": to_hex(attestation.batch_id),
        "dairy": format_address(attestation.dairy),
        "sensor": format_address(attestation.sensor),
        "litres": format_bill(attestation.litres),
        "temperatureCelsius": format_decimal(attestation.temperature_milli_celsius, decimals=3),
        "holdingSeconds": format_decimal(attestation.holding_milliseconds, decimals=3),
        "fault": fault,
        "accepted": words is None,
        "refusal": words,
        "txHash": None,
        "blockNumber": None,
    }


def _words(told: dict[str, Any]) -> str:
    what = f"{told['litres']} l at {told['temperatureCelsius']} °C for {told['holdingSeconds']} s"
    if told["refusal"] is not None:
        return f"{what}: refused: {told['refusal']}"
    return f"{what}: accepted in block {told['blockNumber']}, batch {told['batchId']}"
