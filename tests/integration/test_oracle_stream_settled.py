"""A till that comes back: what it is told of settled orders, and after the journal lost some."""

import time

import pytest
from oracle_support import (
    Client,
    Ledger,
    Pay,
    tx,
)

LOSE = """
WITH gone AS (DELETE FROM event WHERE seq > 1 RETURNING order_id),
     back AS (UPDATE journal SET last_seq = 1)
DELETE FROM orders WHERE id IN (SELECT order_id FROM gone)
"""
CUT_OFF = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'billcoin-oracle'
"""


@pytest.mark.parametrize(("minutes", "is_shown"), [(0, True), (59, True), (61, False)])
async def test_a_milk_that_was_settled_lately_is_still_to_be_handed_over(
    client: Client, ledger: Ledger, minutes: int, *, is_shown: bool
) -> None:
    order, waiting = await client.order(), await client.order()
    block = await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    await ledger.deepen(safe=block, final=block)
    await ledger.connection.execute(
        "UPDATE orders SET settled_at = to_timestamp($1) WHERE status = 'settled'",
        time.time() - minutes * 60,
    )
    async with client.stream() as stream:
        snapshot = await stream.next()
    shown = {one["id"]: one["status"] for one in snapshot.data["orders"]}
    assert shown == {waiting["id"]: "awaiting_payment"} | (
        {order["id"]: "settled"} if is_shown else {}
    )


async def test_a_journal_that_lost_its_newest_events_skips_no_later_one(
    client: Client, ledger: Ledger
) -> None:
    """A standby database that took over without the last transactions gives their numbers anew."""
    kept = await client.order()
    async with client.stream() as stream:
        assert (await stream.next()).event == "snapshot"
        lost = [await client.order() for _ in range(3)]
        assert [message.id for message in await stream.take(3)] == [2, 3, 4]
        await ledger.connection.execute(LOSE)
        await ledger.connection.fetch(CUT_OFF)
        resync, snapshot = await stream.take(2)
        assert (resync.event, resync.data) == ("resync", {"reason": "journal_lost"})
        assert [order["id"] for order in snapshot.data["orders"]] == [kept["id"]]
        again = await client.order(key="again")
        created = await stream.next()
        assert (created.id, created.data["data"]["orderId"]) == (2, again["id"])
        assert again["id"] not in {order["id"] for order in lost}
    # Whoever comes later is sent no snapshot from before.
    async with client.stream() as stream:
        snapshot, created = await stream.take(2)
    assert [order["id"] for order in snapshot.data["orders"]] == [kept["id"]]
    assert created.data["data"]["orderId"] == again["id"]
