"""The command `billcoin-indexer`, as an operator uses it."""

import asyncio
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from market import BILL, Market, indexing, open_market, wait_for

from ledger.order import Status
from ledger.store.audit_log import check_audit_log, read_audit_page
from ledger.store.observation import read_observation, record_halt
from ledger.store.pool import connect

COMMAND = str(Path(sys.executable).with_name("billcoin-indexer"))


@pytest.fixture
async def market(ledger_url: str) -> AsyncIterator[Market]:
    async with open_market(ledger_url) as opened:
        yield opened


async def run(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [COMMAND, *arguments],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def sold(market: Market) -> str:
    """An order that was paid while an indexer ran; gives its id."""
    async with indexing(market):
        order = await market.order()
        await market.pay(order.address, BILL)
        await market.until(order.id, Status.PAID)
        await market.until_tip()
    return order.id


async def test_a_missing_setting_is_named() -> None:
    ended = await run("run", environment={"DATABASE_URL": "postgresql://127.0.0.1/none"})
    assert ended.returncode == 2
    assert "BILLCOIN_CHAIN_ID" in ended.stderr
    assert "BILLCOIN_NODE_HTTP_URL" in ended.stderr


async def test_a_malformed_address_is_explained(market: Market) -> None:
    environment = market.environment() | {"BILLCOIN_TOKEN_ADDRESS": "0x1234"}
    ended = await run("run", environment=environment)
    assert ended.returncode == 2
    assert "BILLCOIN_TOKEN_ADDRESS" in ended.stderr
    assert "20-byte address" in ended.stderr


async def test_an_empty_database_is_migrated(database_url: str) -> None:
    ended = await run("migrate", environment={"DATABASE_URL": database_url})
    assert ended.returncode == 0, ended.stderr
    connection = await connect(database_url, application_name="test")
    assert await connection.fetchval("SELECT last_seq FROM journal") == 0
    await connection.close()


async def test_an_unreachable_database_is_a_clear_error() -> None:
    ended = await run("migrate", environment={"DATABASE_URL": "postgresql://127.0.0.1:1/none"})
    assert ended.returncode == 4
    assert "cannot reach the database" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_the_process_follows_reports_and_stops_on_sigterm(market: Market) -> None:
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        "run",
        env={"PATH": os.environ["PATH"]} | market.environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    order = await market.order()
    await market.pay(order.address, BILL)
    await market.until(order.id, Status.PAID)

    async def is_healthy() -> bool:
        return (await run("status", environment=market.environment())).returncode == 0

    await wait_for(is_healthy, "a healthy status")
    shown = await run("status", "--json", environment=market.environment())
    assert json.loads(shown.stdout)["tip_number"] == await market.head_number()
    process.send_signal(signal.SIGTERM)
    _, logs = await asyncio.wait_for(process.communicate(), timeout=30)
    assert process.returncode == 0
    assert all(json.loads(line)["level"] for line in logs.splitlines())


async def test_status_says_when_there_is_no_ledger_yet(market: Market) -> None:
    ended = await run("status", environment=market.environment())
    assert ended.returncode == 4
    assert "billcoin-indexer run" in ended.stderr


async def test_replay_check_finds_a_sound_ledger_sound(market: Market) -> None:
    await sold(market)
    ended = await run("replay-check", "--json", environment=market.environment())
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)
    assert report["sound"] is True
    assert report["orders"] == 1
    assert report["transfers"] == 2  # the mint and the payment
    assert report["last_block"] == await market.head_number()


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        ("UPDATE transfer SET amount = amount + 1", "the transfers differ"),
        ("UPDATE orders SET status = 'settled'", "recomputed paid"),
        ("UPDATE orders SET amount_received = amount_received - 1", "recomputed paid"),
        ("DELETE FROM payment", "not claimed by the order it pays"),
        ("DELETE FROM event", "journal gaps"),
        ("UPDATE transfer SET canonical = false", "transfers unlike their block"),
        ("UPDATE block SET canonical = false WHERE number > 2", "the ledger holds nothing"),
    ],
)
async def test_replay_check_finds_what_was_tampered_with(
    market: Market, tampering: str, told: str
) -> None:
    await sold(market)
    await market.ledger.execute(tampering)
    ended = await run("replay-check", "--json", environment=market.environment())
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert told in "\n".join(json.loads(ended.stdout)["differences"])


async def test_replay_check_refuses_a_range_that_it_does_not_hold(market: Market) -> None:
    await sold(market)
    ended = await run("replay-check", "--to", "999999", environment=market.environment())
    assert ended.returncode == 4
    assert "this ledger holds blocks" in ended.stderr


def halt_of(ended: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The log line with which the process ended."""
    (halt,) = [
        event
        for line in ended.stderr.splitlines()
        if (event := json.loads(line))["event"] == "halted"
    ]
    return halt


async def test_another_chain_s_node_is_refused(market: Market) -> None:
    environment = market.environment() | {"BILLCOIN_CHAIN_ID": "1"}
    ended = await run("run", environment=environment)
    assert ended.returncode == 3
    halt = halt_of(ended)
    assert "BILLCOIN_CHAIN_ID" in halt["reason"]
    assert "correct them, and start `billcoin-indexer run` again" in halt["instructions"]


async def test_a_database_of_another_deployment_is_refused(market: Market) -> None:
    await sold(market)
    treasury = "0x" + "11" * 20
    environment = market.environment() | {"BILLCOIN_TREASURY_ADDRESS": treasury}
    ended = await run("run", environment=environment)
    assert ended.returncode == 3
    assert "follows another chain" in ended.stderr


async def test_a_halted_indexer_stays_halted_until_it_is_resumed(market: Market) -> None:
    await sold(market)
    await record_halt(
        market.ledger, market.chain.chain_id, code="FinalityConflictError", reason="for a test"
    )
    refused = await run("run", environment=market.environment())
    assert refused.returncode == 3
    halt = halt_of(refused)
    assert (halt["level"], halt["code"]) == ("critical", "HaltedError")
    assert "FinalityConflictError: for a test" in halt["reason"]
    for told in ("explorer", "`billcoin-indexer resume`", 'docs/operator.md, "Halted"'):
        assert told in halt["instructions"]
    status = await run("status", environment=market.environment())
    assert status.returncode == 1
    assert "FinalityConflictError" in status.stdout
    resumed = await run("resume", "--yes", environment=market.environment())
    assert resumed.returncode == 0
    assert "FinalityConflictError is cleared" in resumed.stdout
    async with indexing(market):
        order = await market.order()
        await market.pay(order.address, BILL)
        await market.until(order.id, Status.PAID)


async def test_who_resumes_is_in_the_audit_log_once(market: Market) -> None:
    await sold(market)
    chain_id = market.chain.chain_id
    await record_halt(market.ledger, chain_id, code="FinalityConflictError", reason="for a test")
    environment = market.environment() | {"LOGNAME": "somebody-else"}
    both = await asyncio.gather(
        *(run("resume", "--yes", environment=environment) for _ in range(2))
    )
    assert [ended.returncode for ended in both] == [0, 0]
    assert sum("There is no halt" in ended.stdout for ended in both) == 1
    (entry,) = await read_audit_page(
        market.ledger, before_seq=None, actor=None, subject=None, limit=9
    )
    assert (entry.entry.actor, entry.entry.action, entry.entry.subject) == (
        *("office", "indexer.resumed"),
        "indexer",
    )
    assert entry.entry.details == {
        "chainId": chain_id,
        "haltCode": "FinalityConflictError",
        "haltReason": "for a test",
        "systemUser": pwd.getpwuid(os.getuid()).pw_name,
    }
    assert (await check_audit_log(market.ledger))[2] is None
    observation = await read_observation(market.ledger, chain_id)
    assert observation is not None
    assert observation.halt_code is None


async def test_a_halt_is_not_cleared_without_its_entry(market: Market) -> None:
    await sold(market)
    chain_id = market.chain.chain_id
    await record_halt(market.ledger, chain_id, code="FinalityConflictError", reason="for a test")
    await market.ledger.execute("ALTER TABLE audit_entry RENAME TO audit_entry_away")
    ended = await run("resume", "--yes", environment=market.environment())
    assert ended.returncode != 0
    observation = await read_observation(market.ledger, chain_id)
    assert observation is not None
    assert observation.halt_code == "FinalityConflictError"
