"""The leader's session: the pulse fits between all that it does, and none is left half made."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ledger.store import pool
from ledger.store.copy_format import copy_document, field
from ledger.store.copying import copy_rows
from ledger.store.leadership import PULSE, connect_to_lead
from ledger.store.pool import Connection, connect

ROWS = 20_000
ROUNDS = 10
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leader'"


@pytest.fixture
async def leader(ledger_url: str) -> AsyncIterator[Connection]:
    connection = await connect_to_lead(ledger_url, application_name="leader")
    yield connection
    await connection.close()


async def test_the_pulse_fits_between_statements_of_every_kind(leader: Connection) -> None:
    rows = copy_document(b"".join(b"\x00\x01" + field(bytes(100)) for _ in range(ROWS)))
    pulses = 0
    await leader.execute("CREATE TEMP TABLE copied (bytes bytea)")

    async def beat() -> None:
        nonlocal pulses
        while True:
            await leader.execute(PULSE)
            pulses += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat())
        for _ in range(ROUNDS):
            await copy_rows(leader, "copied", ("bytes",), rows)
            await leader.execute("SELECT pg_sleep(0.005)")
            assert len(await leader.fetch("SELECT generate_series(1, 5000)")) == 5000
            assert await leader.fetchrow("SELECT 1 AS one") is not None
            assert await leader.fetchval("SELECT 1") == 1
        beating.cancel()
    assert pulses > ROUNDS
    assert await leader.fetchval("SELECT count(*) FROM copied") == ROUNDS * ROWS


async def test_a_session_that_cannot_be_prepared_is_not_left_open(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped_meanwhile(_connection: Any) -> None:
        raise asyncio.CancelledError

    watcher = await connect(ledger_url, application_name="test")
    monkeypatch.setattr(pool, "prepare", stopped_meanwhile)
    with pytest.raises(asyncio.CancelledError):
        await connect_to_lead(ledger_url, application_name="leader")
    async with asyncio.timeout(10):
        while await watcher.fetchval(SESSIONS):  # noqa: ASYNC110 - a server sets no event
            await asyncio.sleep(0.01)
    await watcher.close()
