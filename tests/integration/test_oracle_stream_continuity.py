"""The event stream has no gap and no repetition: at the seam, after a cut, over a restart."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from oracle_stream_reader import Message
from oracle_support import (
    Client,
    Ledger,
    Pay,
    served,
    settings_for,
    tx,
    until,
    until_all_is_told,
    until_journal_is_read,
)

from ledger.store.pool import connect
from oracle_api.stream.hub import StreamLimits

STREAM = "/api/v1/orders/stream"


@contextlib.asynccontextmanager
async def oracle(ledger: Ledger, **limits: Any) -> AsyncIterator[Client]:
    async with served(settings_for(ledger.url), limits=StreamLimits(**limits)) as client:
        await until_journal_is_read(client)
        yield client


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
        hub = client.oracle.hub
        await until(lambda: hub._order_waiters and hub._change_waiters)
        client.oracle.close_streams()
        async with asyncio.timeout(20):  # well before the waits would have ended
            for stream in streams:
                with pytest.raises(EOFError):
                    await stream.next()
            assert (await waits[0])[0] == 200
            assert (await waits[1])["error"] == "transaction_not_found"
        assert (await client.call("GET", STREAM))[0] == 503


async def test_the_totals_follow_the_journal_and_a_fresh_count_agrees(ledger: Ledger) -> None:
    async def totals(client: Client) -> dict[str, float]:
        await until_all_is_told(client, ledger)
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
