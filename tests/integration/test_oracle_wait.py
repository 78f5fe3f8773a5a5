"""Questions that wait for their payment."""

import asyncio
import threading
import time
from collections.abc import Collection

import aiohttp
import pytest
from oracle_support import (
    Client,
    Ledger,
    Pay,
    served,
    settings_for,
    tx,
    until,
)
from test_oracle_hostile import OURS

from ledger.store.lookup import Evidence, read_evidences
from ledger.store.pool import Connection
from oracle_api.payments import evidence

VALIDATE = "/api/v1/payments/validate"
HASH = "0x" + "5c" * 32
WAITS = 100
WELL_BEFORE_ITS_END_SECONDS = 20
"""Of a wait of 30 seconds."""


async def test_a_waiting_question_is_answered_when_the_payment_lands(
    client: Client, ledger: Ledger
) -> None:
    order, hub = await client.order(), client.oracle.hub
    waiting = [asyncio.create_task(client.validate(tx(1), prefer="wait=30")) for _ in range(50)]
    await until(lambda: len(hub._change_waiters) == len(waiting))
    changes = hub.change_count
    await ledger.block()
    await until(lambda: hub.change_count > changes and len(hub._change_waiters) == len(waiting))
    assert not any(task.done() for task in waiting)
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    async with asyncio.timeout(WELL_BEFORE_ITS_END_SECONDS):
        answers = await asyncio.gather(*waiting)
    assert all(answer["valid"] for answer in answers)


async def test_a_waiting_question_is_woken_by_depth_alone(client: Client, ledger: Ledger) -> None:
    order = await client.order("60.00")
    due = order["amountDue"]
    block = await ledger.block(Pay(order["orderAddress"], due, tx(1)))
    waiting = asyncio.create_task(client.validate(tx(1), due, prefer="wait=30"))
    await until(lambda: client.oracle.hub._change_waiters)
    assert not waiting.done()
    await ledger.deepen(safe=block)
    async with asyncio.timeout(WELL_BEFORE_ITS_END_SECONDS):
        assert (await waiting)["valid"]


async def test_a_wait_ends_with_its_time_and_with_the_settings(ledger: Ledger) -> None:
    async with served(settings_for(ledger.url, max_wait_seconds=1)) as client:
        started = time.monotonic()
        async with asyncio.timeout(WELL_BEFORE_ITS_END_SECONDS):
            answer = await client.validate(tx(1), prefer="wait=600")
        assert answer["error"] == "transaction_not_found"
        assert time.monotonic() - started > 0.9


async def test_a_wait_asks_the_database_only_when_the_ledger_moves_and_takes_no_thread(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def noted(
        connection: Connection, chain_id: int, tx_hashes: Collection[bytes]
    ) -> dict[bytes, Evidence]:
        asked.extend(tx_hashes)
        return await read_evidences(connection, chain_id, tx_hashes)

    monkeypatch.setattr(evidence, "read_evidences", noted)
    monkeypatch.setattr("oracle_api.stream.listener.LOOK_SECONDS", 600.0)
    async with served(settings_for(ledger.url)) as client:
        hub = client.oracle.hub
        await until(lambda: hub.change_count)  # the first is that the journal has been read
        await client.validate(tx("first"))  # makes whatever is made once
        asked.clear()
        threads = threading.active_count()
        hashes = [tx(number) for number in range(WAITS)]
        waiting = [asyncio.create_task(client.validate(one, prefer="wait=30")) for one in hashes]
        await until(lambda: len(hub._change_waiters) == WAITS)
        assert sorted(asked) == sorted(hashes)
        assert threading.active_count() <= threads
        assert await ledger.connection.fetchval(OURS) <= 3
        # The ledger moves: once more each, and not again at the end.
        changes = hub.change_count
        await ledger.block()
        await until(lambda: hub.change_count > changes and len(hub._change_waiters) == WAITS)
        client.oracle.close_streams()
        answers = await asyncio.gather(*waiting)
        assert {answer["error"] for answer in answers} == {"transaction_not_found"}
        assert sorted(asked) == sorted(hashes * 2)


async def test_only_an_answer_that_may_change_is_waited_for(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)), Pay(b"\x77" * 20, "1", tx(2)))
    async with asyncio.timeout(WELL_BEFORE_ITS_END_SECONDS):
        assert (await client.validate(tx(1), prefer="wait=30"))["valid"]
        assert (await client.validate(tx(1), "9", prefer="wait=30"))["error"] == "amount_mismatch"
        assert (await client.validate(tx(2), prefer="wait=30"))["error"] == "not_for_an_order"


async def test_a_client_that_goes_away_while_it_waits_disturbs_nobody(client: Client) -> None:
    with pytest.raises(TimeoutError):
        await client.call(
            "POST",
            VALIDATE,
            json={"txHash": HASH, "expectedAmount": "1"},
            headers={"Prefer": "wait=2"},
            timeout=aiohttp.ClientTimeout(total=0.2),
        )
    assert (await client.validate(tx(1)))["error"] == "transaction_not_found"
