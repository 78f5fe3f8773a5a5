"""The event stream: every event once and in order, whatever clients do."""

import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from oracle_support import (
    Client,
    Ledger,
    Pay,
    order_singly,
    served,
    settings_for,
    tx,
    until,
    until_journal_is_read,
)

from ledger.ids import event_id
from oracle_api.stream.hub import StreamLimits

STREAM = "/api/v1/orders/stream"


@contextlib.asynccontextmanager
async def oracle(ledger: Ledger, **limits: Any) -> AsyncIterator[Client]:
    async with served(settings_for(ledger.url), limits=StreamLimits(**limits)) as client:
        await until_journal_is_read(client)
        yield client


async def test_first_a_snapshot_then_each_event(ledger: Ledger) -> None:
    async with oracle(ledger) as client:
        order = await client.order(reference="table 4")
        done = await client.order()
        await client.call("POST", f"/api/v1/orders/{done['id']}/cancel")
        async with client.stream() as stream:
            snapshot = await stream.next()
            assert stream.retry == 1000
            assert (snapshot.event, snapshot.id) == ("snapshot", 3)
            assert snapshot.data["asOf"] == 3
            assert snapshot.data["hasMore"] is False
            shown = {name: value for name, value in order.items() if name != "payments"}
            assert snapshot.data["orders"] == [shown]
            await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
            paid = await stream.next()
    assert (paid.event, paid.id) == ("order.paid", 4)
    assert paid.data["id"] == event_id(4)
    assert paid.data["type"] == "order.paid"
    assert paid.data["createdAt"].endswith("Z")
    assert paid.data["data"]["orderId"] == order["id"]
    assert paid.data["data"]["previousStatus"] == "awaiting_payment"
    assert paid.data["data"]["payment"]["txHash"] == "0x" + tx(1).hex()


async def test_a_new_order_is_told_with_all_that_a_till_shows(ledger: Ledger) -> None:
    async with oracle(ledger) as client, client.stream() as stream:
        assert (await stream.next()).event == "snapshot"
        order = await client.order(reference="table 4")
        created = await stream.next()
        assert created.event == "order.created"
        told = created.data["data"]
        assert told["orderId"] == order["id"]
        for name in ("reference", "items", "storeId", "amountMyr", "amountDue", "status"):
            assert told[name] == order[name]
        assert (told["createdAt"], told["expiresAt"]) == (order["createdAt"], order["expiresAt"])


async def test_the_whole_life_of_an_order_is_told(ledger: Ledger) -> None:
    async with oracle(ledger) as client, client.stream() as stream:
        await stream.next()
        order = await client.order("60.00")
        half = Pay(order["orderAddress"], "4", tx(1))
        rest = Pay(order["orderAddress"], "4.333334", tx(2))
        await ledger.block(half)
        block = await ledger.block(rest)
        await ledger.deepen(safe=block)
        await ledger.reorganise(1, [], [])
        block = await ledger.block(rest)
        await ledger.deepen(safe=block)
        await ledger.deepen(final=block)
        events = await stream.take(8)
    assert [message.event.removeprefix("order.") for message in events] == [
        *("created", "underpaid", "detected", "paid", "reversed", "detected", "paid", "settled")
    ]


@pytest.mark.parametrize("where", ["header", "query"])
async def test_a_returning_client_is_told_only_what_it_missed(ledger: Ledger, where: str) -> None:
    async with oracle(ledger) as client:
        for _ in range(4):
            await client.order()
        told = {"last_id": 2} if where == "header" else {"query": "?lastEventId=2"}
        async with client.stream(**told) as stream:
            assert [message.id for message in await stream.take(2)] == [3, 4]
            await client.order()
            assert (await stream.next()).id == 5


async def test_a_client_may_return_from_before_this_process_began(ledger: Ledger) -> None:
    async with oracle(ledger) as client:
        for _ in range(5):
            await client.order()
    # A new process: its memory begins at event 5.
    async with oracle(ledger) as client:
        async with client.stream(last_id=1) as stream:
            assert [message.id for message in await stream.take(4)] == [2, 3, 4, 5]
        async with client.stream(last_id=5) as stream:
            await client.order(key="another")
            assert (await stream.next()).id == 6


@pytest.mark.parametrize(
    ("last_id", "reason"),
    [
        *((("999"), "future_id"), ("1", "too_old")),
        *((text, "unknown_id") for text in ("evt_1", "-1", "1.5", "", "9" * 19, "0x1")),
    ],
)
async def test_who_cannot_be_told_everything_gets_a_new_snapshot(
    ledger: Ledger, last_id: str, reason: str
) -> None:
    async with oracle(ledger, tail_events=2, replay_events=2, lag_events=100) as client:
        await order_singly(client, ledger, 6)
        async with client.stream(last_id=last_id) as stream:
            resync, snapshot = await stream.take(2)
            assert (resync.event, resync.data) == ("resync", {"reason": reason})
            assert resync.id is None
            assert (snapshot.event, snapshot.id) == ("snapshot", 6)
            assert len(snapshot.data["orders"]) == 6
            await client.order()
            assert (await stream.next()).id == 7


async def test_a_snapshot_has_a_limit_and_says_so(ledger: Ledger) -> None:
    async with oracle(ledger, snapshot_orders=2) as client:
        made = [await client.order() for _ in range(3)]
        async with client.stream() as stream:
            snapshot = await stream.next()
    assert snapshot.data["hasMore"] is True
    newest = sorted((order["id"] for order in made), reverse=True)[:2]
    assert [order["id"] for order in snapshot.data["orders"]] == newest


async def test_a_silent_stream_has_heartbeats(ledger: Ledger) -> None:
    """As events: a browser does not show comments, so that a page could not miss them."""
    async with oracle(ledger, heartbeat_seconds=0.2) as client, client.stream() as stream:
        await stream.next()
        for _ in range(3):
            heartbeat = await stream.next()
            assert (heartbeat.event, heartbeat.id, heartbeat.data) == ("heartbeat", None, {})


async def test_beyond_the_limit_of_streams_there_is_503_until_one_ends(ledger: Ledger) -> None:
    async with oracle(ledger, streams=2) as client:
        async with client.stream() as one, client.stream() as other:
            await one.next()
            await other.next()
            status, problem, headers = await client.call("GET", STREAM)
            assert (status, problem["code"]) == (503, "too_many_streams")
            assert "retry-after" in headers
        await until(lambda: not client.oracle.hub.stream_count)
        async with client.stream() as stream:
            assert (await stream.next()).event == "snapshot"


async def test_a_client_that_does_not_read_is_cut_off_and_the_others_are_not(
    ledger: Ledger,
) -> None:
    async with oracle(ledger, lag_events=300, tail_events=20_000) as client:
        sleeper = socket.socket()
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = client.base.removeprefix("http://").split(":")
        sleeper.connect((host, int(port)))
        sleeper.send(f"GET {STREAM} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        async with client.stream() as reader:
            await reader.next()
            order = await client.order()
            await reader.next()
            # One event many times over: far more than any socket buffer holds.
            await ledger.connection.execute(
                """
                WITH taken AS (UPDATE journal SET last_seq = 12001 RETURNING 1)
                INSERT INTO event (seq, type, order_id, data, created_at)
                SELECT seq, 'order.updated', $1, $2, now()
                FROM generate_series(2, 12001) AS seq, taken
                """,
                order["id"],
                {"status": "awaiting_payment", "padding": "x" * 1000},
            )
            await ledger.connection.execute("SELECT pg_notify('billcoin', '')")
            messages = await reader.take(12_000)
        assert [message.id for message in messages] == list(range(2, 12_002))
        assert client.oracle.hub.cut_off_count == 1
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sleeper.close()
        _, text, _ = await client.call("GET", "/metrics")
        assert b"billcoin_streams_cut_off_total 1.0" in text
