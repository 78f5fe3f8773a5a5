"""`make bench`: figures of DESIGN.md's table, one JSON object a line."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from benchmarks.backfill import measure_backfill
from benchmarks.bench_stack import BenchStack, bench_stack
from benchmarks.burst import measure_burst
from benchmarks.fanout import measure_fanout
from benchmarks.figures import Figure, say
from benchmarks.follow import measure_commit, measure_push
from benchmarks.memory import measure_memory
from benchmarks.retract import measure_retract
from benchmarks.validate import measure_validate

_BENCHMARKS: dict[str, Callable[[BenchStack], Awaitable[list[Figure]]]] = {
    "commit": measure_commit,
    "push": measure_push,
    "validate": measure_validate,
    "burst": measure_burst,
    "fanout": measure_fanout,
    "retract": measure_retract,
}
# These bring what they need and must have the machine to themselves.
_ALONE: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
    "backfill": measure_backfill,
    "memory": measure_memory,
}


async def _main(names: list[str]) -> None:
    for name in (name for name in names if name in _ALONE):
        for figure in await _ALONE[name]():
            figure.print()
    on_stack = [name for name in names if name in _BENCHMARKS]
    if not on_stack:
        return
    async with bench_stack() as stack:
        for name in on_stack:
            for figure in await _BENCHMARKS[name](stack):
                figure.print()


if __name__ == "__main__":
    known = [*_ALONE, *_BENCHMARKS]
    chosen = sys.argv[1:] or known
    unknown = set(chosen) - set(known)
    if unknown:
        say(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        sys.exit(2)
    asyncio.run(_main(chosen))
