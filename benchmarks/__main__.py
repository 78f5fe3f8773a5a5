"""`make bench`: figures of DESIGN.md's table, one JSON object a line."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from benchmarks.bench_stack import BenchStack, bench_stack
from benchmarks.figures import Figure, say
from benchmarks.follow import measure_commit, measure_push
from benchmarks.retract import measure_retract
from benchmarks.validate import measure_validate

_BENCHMARKS: dict[str, Callable[[BenchStack], Awaitable[list[Figure]]]] = {
    "commit": measure_commit,
    "push": measure_push,
    "validate": measure_validate,
    "retract": measure_retract,
}


async def _main(names: list[str]) -> None:
    async with bench_stack() as stack:
        for name in names:
            for figure in await _BENCHMARKS[name](stack):
                figure.print()


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(_BENCHMARKS)
    unknown = set(chosen) - set(_BENCHMARKS)
    if unknown:
        say(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(_BENCHMARKS)}")
        sys.exit(2)
    asyncio.run(_main(chosen))
