"""A transaction that breaks at any statement leaves nothing, and succeeds when done again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from store_world import (
    CHAIN_ID,
    DUE,
    NOW,
    PAYER,
    Ledger,
    created,
    dump,
    make_block,
    new_order,
    open_ledger,
    paying_back,
    ref,
)

from ledger.order import Finality, Status
from ledger.refund import RefundStatus
from ledger.store.orders import insert_order, mark_cancelled
from ledger.store.pool import Connection
from ledger.store.replay import find_refunds_off
from ledger.store.standings import refresh_standings
from ledger.store.switch import Step, apply_step

Work = Callable[[Connection], Awaitable[Any]]


class BrokenOnPurposeError(Exception):
    """Stands for a connection that dropped, a disk that filled, a process that died."""


class Fragile:
    """A connection that breaks at its n-th call, before or after the statement took effect."""

    def __init__(self, connection: Connection, *, at: int, before: bool) -> None:
        self._connection = connection
        self._left = at
        self._before = before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._before:
                raise BrokenOnPurposeError
            answer = await method(*arguments, **named)
            if self._left == 0:
                raise BrokenOnPurposeError
            return answer

        return call

    @property
    def survived(self) -> bool:
        return self._left > 0


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as opened:
        yield opened


async def undisturbed(ledger: Ledger, work: Work) -> dict[str, Any]:
    """What the work would leave, were it committed."""
    transaction = ledger.connection.transaction()
    await transaction.start()
    await work(ledger.connection)
    left = await dump(ledger.connection)
    await transaction.rollback()
    return left


async def break_everywhere(ledger: Ledger, work: Work) -> int:
    """Break the work at each statement in turn; returns how many statements it has."""
    before = await dump(ledger.connection)
    expected = await undisturbed(ledger, work)
    assert expected != before
    count = 0
    while True:
        for when in (True, False):
            fragile: Any = Fragile(ledger.connection, at=count + 1, before=when)
            transaction = ledger.connection.transaction()
            await transaction.start()
            try:
                await work(fragile)
            except BrokenOnPurposeError:
                pass
            else:
                assert fragile.survived
            await transaction.rollback()
            assert await dump(ledger.connection) == before
        if fragile.survived:
            break
        count += 1
    async with ledger.connection.transaction():
        await work(ledger.connection)
    assert await dump(ledger.connection) == expected
    return count


async def test_a_block_transaction_is_all_or_nothing(ledger: Ledger) -> None:
    """A reorganisation that does everything a block can do, broken at every statement."""
    moved, gone = await ledger.order("moved"), await ledger.order("gone")
    fresh = await ledger.order("fresh")
    expiring = await ledger.order("expiring", expires_at=35)
    deep = await ledger.order("deep", finality=Finality.FINALIZED)
    first = await ledger.grow((deep.address, DUE, "t0"))
    fork = ledger.tip
    kept = await ledger.refund(deep, PAYER, 3, "back")
    lost = await ledger.refund(moved, PAYER, 2, "lost")
    paid_back = paying_back(make_block(ledger.tip), PAYER, 3, "back")
    await ledger.apply(paying_back(paid_back, PAYER, 2, "lost"))
    await ledger.grow((moved.address, DUE, "t1"), (gone.address, DUE, "t2"))
    second = make_block(fork, (fresh.address, DUE, "t3"), branch="b")
    second = paying_back(second, PAYER, 3, "back")
    third = make_block(second.header, (moved.address, DUE, "t1"), branch="b")
    fourth = make_block(third.header, branch="b")
    step = Step(
        expected_tip=ref(ledger.tip),
        fork=ref(fork),
        branch=[second, third, fourth],
        safe=ref(second.header),
        finalized=ref(first.header),
    )

    count = await break_everywhere(
        ledger, lambda connection: apply_step(connection, CHAIN_ID, step, now=NOW)
    )
    assert count >= 20
    assert await ledger.refund_status(kept) is RefundStatus.VERIFIED
    assert await ledger.refund_status(lost) is RefundStatus.REVERSED
    assert await find_refunds_off(ledger.connection, CHAIN_ID) == []
    orders = (moved, gone, fresh, expiring, deep)
    assert [await ledger.status(order) for order in orders] == [
        Status.PAID,
        Status.REVERSED,
        Status.PAID,
        Status.EXPIRED,
        Status.SETTLED,
    ]


async def test_making_an_order_is_all_or_nothing(ledger: Ledger) -> None:
    order = new_order("milk")
    count = await break_everywhere(
        ledger, lambda connection: insert_order(connection, order, event=created(order), now=NOW)
    )
    assert count == 5  # the order, its number, its event, its version, the wake-up


async def test_cancelling_an_order_is_all_or_nothing(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    depths = (await ledger.cursor()).depths

    async def cancel(connection: Connection) -> None:
        assert await mark_cancelled(connection, order.id, now=NOW)
        await refresh_standings(connection, [order.id], depths, now=NOW)

    assert await break_everywhere(ledger, cancel) >= 5
    assert await ledger.status(order) is Status.CANCELLED
