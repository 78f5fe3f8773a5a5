"""The hub wakes whom it must, cuts off who is too slow, and forgets nobody's leftovers."""

import asyncio
from datetime import UTC, datetime

import pytest

from ledger.store.journal import JournalEvent
from oracle_api.problems import UnavailableError
from oracle_api.stream.hub import Hub, StreamLimits


def event(seq: int, order_id: str = "ord_x") -> JournalEvent:
    return JournalEvent(seq, "order.paid", order_id, {}, datetime.now(UTC))


def started(**limits: int) -> Hub:
    hub = Hub(StreamLimits(**limits))
    hub.start(0)
    return hub


async def test_nobody_streams_before_the_journal_was_read() -> None:
    hub = Hub(StreamLimits())
    with pytest.raises(UnavailableError):
        hub.subscribe()
    with pytest.raises(RuntimeError):
        hub.publish([event(1)])
    assert not await hub.until_started(timeout_seconds=0.01)
    hub.start(0)
    assert await hub.until_started(timeout_seconds=0.01)


async def test_a_watch_sees_only_its_order_and_changes_since_it_began() -> None:
    hub = started()
    with hub.watching("ord_x") as watch:
        hub.publish([event(1, "ord_y")])
        assert not await watch.change(timeout_seconds=0.01)
        hub.publish([event(2, "ord_x")])
        assert await watch.change(timeout_seconds=1)
        assert not await watch.change(timeout_seconds=0.01)
        hub.publish([event(3, "ord_x")])
        assert await watch.change(timeout_seconds=1)
        assert not await watch.change(timeout_seconds=0)
    assert not hub._order_waiters


async def test_two_watches_of_one_order_end_apart() -> None:
    hub = started()
    with hub.watching("ord_x") as one:
        with hub.watching("ord_x"):
            pass
        hub.publish([event(1)])
        assert await one.change(timeout_seconds=1)
    assert not hub._order_waiters


async def test_a_change_between_look_and_wait_is_not_missed() -> None:
    hub = started()
    seen = hub.change_count
    hub.ledger_changed()
    assert await hub.change_after(seen, timeout_seconds=1)
    assert not await hub.change_after(hub.change_count, timeout_seconds=0.01)
    assert not hub._change_waiters
    waiting = asyncio.create_task(hub.change_after(hub.change_count, timeout_seconds=5))
    await asyncio.sleep(0)
    hub.ledger_changed()
    assert await waiting


async def test_a_stream_that_falls_behind_is_cut_off_in_the_middle_of_a_send() -> None:
    hub = started(lag_events=5)
    cut: list[bool] = []

    async def stuck() -> None:
        subscriber = hub.subscribe()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cut.append(subscriber.is_cut_off)

    task = asyncio.create_task(stuck())
    await asyncio.sleep(0)
    for seq in range(1, 12):
        hub.publish([event(seq)])
    await task
    assert cut == [True]
    assert hub.cut_off_count == 1


async def test_one_large_page_is_no_fault_of_a_client_that_keeps_up() -> None:
    hub = started(lag_events=5)
    subscriber = hub.subscribe()
    hub.publish([event(seq) for seq in range(1, 500)])
    assert not subscriber.is_cut_off


async def test_closing_wakes_everybody_and_lets_nobody_in() -> None:
    hub = started()
    subscriber = hub.subscribe()
    change = asyncio.create_task(hub.change_after(hub.change_count, timeout_seconds=30))
    with hub.watching("ord_x") as watch:
        watching = asyncio.create_task(watch.change(timeout_seconds=30))
        await asyncio.sleep(0)
        hub.close()
        async with asyncio.timeout(1):
            assert not await change
            assert not await watching
    assert subscriber.is_closed
    with pytest.raises(UnavailableError):
        hub.subscribe()
    assert not await hub.change_after(0, timeout_seconds=1)
