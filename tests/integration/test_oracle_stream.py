"""The event stream: every event once and in order, whatever clients do."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from oracle_support import (
    Client,
    Ledger,
    Message,
    Pay,
    open_ledger,
    served,
    settings_for,
    tx,
    until_journal_is_read,
)

from ledger.ids import event_id
from ledger.store.pool import connect
from oracle_api.stream.hub import StreamLimits

STREAM = "/api/v1/orders/stream"


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as ledger:
        yield ledger


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
        for _ in range(6):
            await client.order()
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
    async with oracle(ledger, heartbeat_seconds=0.2) as client, client.stream() as stream:
        await stream.next()
        for _ in range(3):
            await stream.comment(timeout_seconds=2)


async def test_beyond_the_limit_of_streams_there_is_503_until_one_ends(ledger: Ledger) -> None:
    async with oracle(ledger, streams=2) as client:
        async with client.stream() as one, client.stream() as other:
            await one.next()
            await other.next()
            status, problem, headers = await client.call("GET", STREAM)
            assert (status, problem["code"]) == (503, "too_many_streams")
            assert "retry-after" in headers
        async with asyncio.timeout(3):
            while client.oracle.hub.stream_count:  # noqa: ASYNC110 - another task's doing
                await asyncio.sleep(0.01)
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


async def collect(client: Client, total: int, rng: random.Random) -> list[int]:
    """A till with a bad connection: drops its stream at random and comes back."""
    seen: list[int] = []
    last_id: int | None = None
    while not seen or seen[-1] < total:
        async with client.stream(last_id=last_id) as stream:
            for _ in range(rng.randint(1, 25)):
                message: Message = await stream.next()
                assert message.id is not None
                if message.event == "snapshot":
                    assert last_id is None
                    seen = list(range(1, message.id + 1))
                else:
                    seen.append(message.id)
                last_id = message.id
                if last_id >= total:
                    break
        await asyncio.sleep(rng.random() * 0.02)
    return seen


@pytest.mark.parametrize("tail_events", [4, 10_000])
async def test_clients_that_come_and_go_see_every_event_once_and_in_order(
    ledger: Ledger, tail_events: int
) -> None:
    total = 300
    async with oracle(ledger, tail_events=tail_events) as client:

        async def sell(till: int) -> None:
            for number in range(total // 6):
                order = await client.order(key=f"{till}-{number}")
                if number % 3 == 0:
                    await client.call("POST", f"/api/v1/orders/{order['id']}/cancel")

        tills = [collect(client, total, random.Random(seed)) for seed in range(12)]  # noqa: S311
        async with asyncio.timeout(60):
            *seen, _ = await asyncio.gather(*tills, asyncio.gather(*(sell(n) for n in range(6))))
    for one in seen:
        assert one == list(range(1, one[-1] + 1))


async def test_a_snapshot_and_what_follows_agree_under_writes(ledger: Ledger) -> None:
    async with oracle(ledger) as client:

        async def rebuild() -> tuple[dict[str, str], int]:
            async with client.stream() as stream:
                snapshot = await stream.next()
                state = {order["id"]: order["status"] for order in snapshot.data["orders"]}
                last = snapshot.id or 0
                while last < 120:
                    message = await stream.next()
                    assert message.id == last + 1
                    last = message.id
                    told = message.data["data"]
                    state[told["orderId"]] = told["status"]
            return state, last

        async def sell() -> None:
            for number in range(60):
                order = await client.order(key=f"s{number}")
                if number % 2:
                    await ledger.block(Pay(order["orderAddress"], "0.25", tx(number)))
            for number in range(30):
                await client.order(key=f"t{number}")

        async def later(seconds: float) -> tuple[dict[str, str], int]:
            await asyncio.sleep(seconds)
            return await rebuild()

        selling = asyncio.create_task(sell())
        results = await asyncio.gather(*(later(0.03 * number) for number in range(20)))
        await selling
    assert all(state == results[0][0] for state, _ in results)
    assert sorted(set(results[0][0].values())) == ["awaiting_payment", "paid"]


async def test_the_listener_heals_and_nothing_is_lost(ledger: Ledger) -> None:
    async with oracle(ledger) as client, client.stream() as stream:
        await stream.next()
        other = await connect(ledger.url, application_name="killer")
        for number in range(3):
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'billcoin-oracle' AND datname = current_database()"
            )
            # A till tries again, with the same key.
            for _ in range(100):
                if (await client.call("GET", "/api/v1/orders"))[0] == 200:
                    break
                await asyncio.sleep(0.01)
            await client.order(key=f"after-{number}")
            assert (await stream.next()).id == number + 1
        await other.close()


async def test_streams_and_waits_end_promptly_when_the_server_stops(ledger: Ledger) -> None:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(oracle(ledger))
        order = await client.order()
        streams = [await stack.enter_async_context(client.stream()) for _ in range(20)]
        for stream in streams:
            await stream.next()
        path = f"/api/v1/orders/{order['id']}"
        waits = [
            asyncio.create_task(client.call("GET", path, headers={"Prefer": "wait=30"})),
            asyncio.create_task(client.validate(tx(1), prefer="wait=30")),
        ]
        await asyncio.sleep(0.1)
        client.oracle.close_streams()
        async with asyncio.timeout(2):
            for stream in streams:
                with pytest.raises(EOFError):
                    await stream.next()
            assert (await waits[0])[0] == 200
            assert (await waits[1])["error"] == "transaction_not_found"
        assert (await client.call("GET", STREAM))[0] == 503


async def test_the_totals_follow_the_journal_and_a_fresh_count_agrees(ledger: Ledger) -> None:
    async def totals(client: Client) -> dict[str, float]:
        await asyncio.sleep(0.2)
        _, text, _ = await client.call("GET", "/metrics")
        lines = [line.rsplit(" ", 1) for line in text.decode().splitlines() if line[0] != "#"]
        wanted = ("payment_success_total", "billcoin_orders")
        return {name: float(value) for name, value in lines if name.startswith(wanted)}

    async with oracle(ledger) as client:
        orders = [await client.order() for _ in range(4)]
        pays = [Pay(order["orderAddress"], "0.25", tx(n)) for n, order in enumerate(orders)]
        await ledger.block(pays[0], pays[1])
        await ledger.reorganise(1, [pays[1]], [pays[0]])
        block = await ledger.block(pays[2])
        await ledger.deepen(safe=block, final=block)
        await client.call("POST", f"/api/v1/orders/{orders[3]['id']}/cancel")
        followed = await totals(client)
    async with oracle(ledger) as client:
        counted = await totals(client)
    assert followed == counted
    assert counted["payment_success_total"] == 3
    assert counted['billcoin_orders{status="settled"}'] == 3
    assert counted['billcoin_orders{status="cancelled"}'] == 1
