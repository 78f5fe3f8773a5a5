"""Do work only as long as something else keeps going."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")


async def attended(work: Coroutine[Any, Any, T], guard: Coroutine[Any, Any, None]) -> T:
    """Run `work` while `guard` runs; the guard's failure cancels the work and is raised.

    Both are over when this returns, however it returns.
    """
    tasks = (asyncio.create_task(work), asyncio.create_task(guard))
    working, guarding = tasks
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if guarding.done():
            guarding.result()
        return await working
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def both(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Run two things at once; the first failure cancels the other and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            one, other = group.create_task(first), group.create_task(second)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return one.result(), other.result()
