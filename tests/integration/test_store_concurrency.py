"""Many writers and readers at once: one pen, no gaps, no number that appears late."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from store_world import (
    CHAIN_ID,
    DUE,
    NOW,
    Ledger,
    created,
    make_block,
    new_order,
    open_ledger,
    ref,
)

from ledger.order import Status
from ledger.store.advance import claim_transfers, insert_blocks, insert_transfers
from ledger.store.cursor import TipMovedError
from ledger.store.journal import CHANNEL, read_events_after, read_last_seq
from ledger.store.leadership import try_lead
from ledger.store.orders import insert_order, mark_cancelled
from ledger.store.pool import Connection, connect, open_pool
from ledger.store.standings import refresh_standings
from ledger.store.switch import Step, apply_step

WRITERS = 6
ORDERS_EACH = 15
WAITERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as opened:
        yield opened


@contextlib.asynccontextmanager
async def another(ledger_url: str) -> AsyncIterator[Connection]:
    connection = await connect(ledger_url, application_name="test")
    try:
        yield connection
    finally:
        await connection.close()


async def test_of_two_writers_one_moves_the_tip_and_the_other_is_told(
    ledger: Ledger, ledger_url: str
) -> None:
    order = await ledger.order("milk")
    one = make_block(ledger.tip, (order.address, DUE, "t1"))
    other = make_block(ledger.tip, (order.address, DUE, "t1"), branch="b")

    async def write(connection: Connection, block: object) -> None:
        step = Step(expected_tip=ref(ledger.tip), fork=ref(ledger.tip), branch=[block])  # type: ignore[list-item]
        async with connection.transaction():
            await apply_step(connection, CHAIN_ID, step, now=NOW)

    async with another(ledger_url) as first, another(ledger_url) as second:
        results = await asyncio.gather(
            write(first, one), write(second, other), return_exceptions=True
        )
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "TipMovedError"]
    won = (one, other)[results.index(None)]
    ledger.chain.append(won.header)
    await ledger.require_sound()
    assert await ledger.event_types(order) == ["created", "paid"]


async def test_a_writer_waits_for_the_one_before_and_then_finds_the_tip_moved(
    ledger: Ledger, ledger_url: str
) -> None:
    tip = ledger.tip
    first = make_block(tip)
    async with another(ledger_url) as late:
        transaction = ledger.connection.transaction()
        await transaction.start()
        step = Step(expected_tip=ref(tip), fork=ref(tip), branch=[first])
        await apply_step(ledger.connection, CHAIN_ID, step, now=NOW)

        async def write_late() -> None:
            rival = Step(expected_tip=ref(tip), fork=ref(tip), branch=[make_block(tip, branch="b")])
            async with late.transaction():
                await apply_step(late, CHAIN_ID, rival, now=NOW)

        waiting = asyncio.create_task(write_late())
        await until_blocked(ledger_url)
        await transaction.commit()
        with pytest.raises(TipMovedError, match="block 0"):
            await waiting


async def until_blocked(ledger_url: str) -> None:
    """Until some session of this database waits for a lock."""
    async with another(ledger_url) as watcher:
        while not await watcher.fetchval(WAITERS):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.005)


async def test_an_unregistered_ledger_has_no_tip_to_write_on(ledger: Ledger) -> None:
    step = Step(expected_tip=ref(ledger.tip), fork=ref(ledger.tip), branch=[])
    with pytest.raises(TipMovedError):
        async with ledger.connection.transaction():
            await apply_step(ledger.connection, CHAIN_ID + 1, step, now=NOW)


async def test_cancelling_while_the_payment_arrives_ends_in_one_of_both(
    ledger: Ledger, ledger_url: str
) -> None:
    """The block has claimed the payment, the cashier cancels, then the block goes on.

    Neither may wait for the other in a circle: a deadlock would kill one of them.
    """
    order = await ledger.order("milk")
    depths = (await ledger.cursor()).depths
    block = make_block(ledger.tip, (order.address, DUE, "t1"))
    async with another(ledger_url) as cashier:
        await cashier.execute("SET lock_timeout = '10s'")

        async def cancel() -> None:
            async with cashier.transaction():
                assert await mark_cancelled(cashier, order.id, now=NOW)
                await refresh_standings(cashier, [order.id], depths, now=NOW)

        async with ledger.connection.transaction():
            await insert_blocks(ledger.connection, CHAIN_ID, [block.header])
            await insert_transfers(ledger.connection, CHAIN_ID, [block], are_new=True)
            assert await claim_transfers(ledger.connection, CHAIN_ID, [block]) == {order.id}
            await cancel()
            await refresh_standings(ledger.connection, [order.id], depths, now=NOW)
    stored = await ledger.read(order)
    assert (stored.status, stored.amount_owed_back) == (Status.CANCELLED, DUE)
    assert await ledger.event_types(order) == ["created", "cancelled", "updated"]


async def test_a_reader_never_misses_an_event_however_many_write(
    ledger: Ledger, ledger_url: str
) -> None:
    seen: list[int] = []
    done = asyncio.Event()
    pool = await open_pool(ledger_url, application_name="test", max_size=WRITERS)

    async def make_orders(writer: int) -> None:
        for index in range(ORDERS_EACH):
            order = new_order(f"{writer}-{index}")
            async with pool.acquire() as connection, connection.transaction():
                await insert_order(connection, order, event=created(order), now=NOW)

    async def make_blocks() -> None:
        """Pay, and by turns unpay, the orders that are there so far."""
        for turn in range(12):
            rows = await ledger.connection.fetch("SELECT address FROM orders ORDER BY id LIMIT 20")
            fork = ledger.tip
            await ledger.grow(*[(row["address"], DUE, f"t{turn}") for row in rows])
            if turn % 3 == 2:
                await ledger.apply(make_block(fork, branch=f"b{turn}"), fork=fork)

    async def read() -> None:
        async with another(ledger_url) as reader:
            while True:
                finished = done.is_set()
                last = seen[-1] if seen else 0
                seen.extend(event.seq for event in await read_events_after(reader, last, limit=7))
                if finished and seen and seen[-1] == await read_last_seq(reader):
                    return

    readers = asyncio.create_task(read())
    await asyncio.gather(make_blocks(), *(make_orders(writer) for writer in range(WRITERS)))
    done.set()
    async with asyncio.timeout(60):
        await readers
    await pool.close()
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) > WRITERS * ORDERS_EACH
    await ledger.require_sound()


async def test_only_one_session_leads_until_it_ends(ledger_url: str) -> None:
    async with another(ledger_url) as standby:
        async with another(ledger_url) as leader:
            assert await try_lead(leader, CHAIN_ID)
            assert not await try_lead(standby, CHAIN_ID)
            assert await try_lead(standby, CHAIN_ID + 1)
        # Postgres notices the end of a session a little later.
        while not await try_lead(standby, CHAIN_ID):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.005)


async def test_committed_changes_wake_listeners_and_rolled_back_ones_do_not(
    ledger: Ledger, ledger_url: str
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with another(ledger_url) as listener:
        await listener.add_listener(CHANNEL, lambda *told: heard.put_nowait(told[3]))
        order = new_order("gone")
        transaction = ledger.connection.transaction()
        await transaction.start()
        await insert_order(ledger.connection, order, event=created(order), now=NOW)
        await transaction.rollback()
        milk = await ledger.order("milk")
        await ledger.grow((milk.address, DUE, "t1"))
        await ledger.grow()
        async with asyncio.timeout(60):
            told = [await heard.get() for _ in range(3)]
    assert told == ['{"tip":null,"seq":1}', '{"tip":1,"seq":2}', '{"tip":2,"seq":null}']
