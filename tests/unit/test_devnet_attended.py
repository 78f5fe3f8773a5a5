"""Work under guard: whatever ends first ends both."""

import asyncio

import pytest

from devnet.attended import attended, both


class GuardError(Exception):
    pass


async def fail_soon() -> None:
    await asyncio.sleep(0.001)
    raise GuardError


async def forever(log: list[str]) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        log.append("over")


async def answer() -> int:
    await asyncio.sleep(0.001)
    return 42


async def test_work_that_is_done_ends_its_guard() -> None:
    log: list[str] = []
    assert await attended(answer(), forever(log)) == 42
    assert log == ["over"]


async def test_a_guard_that_fails_ends_the_work() -> None:
    log: list[str] = []
    with pytest.raises(GuardError):
        await attended(forever(log), fail_soon())
    assert log == ["over"]


async def test_cancelling_ends_both() -> None:
    log: list[str] = []
    task = asyncio.create_task(attended(forever(log), forever(log)))
    await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["over", "over"]


async def test_both_give_their_results() -> None:
    assert await both(answer(), answer()) == (42, 42)


async def test_the_first_failure_ends_the_other_and_comes_as_it_is() -> None:
    log: list[str] = []
    with pytest.raises(GuardError):
        await both(forever(log), fail_soon())
    assert log == ["over"]
