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
from benchmarks.scale import measure_scale
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
# Takes ten minutes and six gigabytes: only when it is asked for by name.
_ON_REQUEST: dict[str, Callable[[], Awaitable[list[Figure]]]] = {"scale": measure_scale}


async def _main(names: list[str]) -> None:
    alone = _ALONE | _ON_REQUEST
    for name in (name for name in names if name in alone):
        for figure in await alone[name]():
            figure.print()
    on_stack = [name for name in names if name in _BENCHMARKS]
    if not on_stack:
        return
    async with bench_stack() as stack:
        for name in on_stack:
            for figure in await _BENCHMARKS[name](stack):
                figure.print()


if __name__ == "__main__":
    usual = [*_ALONE, *_BENCHMARKS]
    chosen = sys.argv[1:] or usual
    unknown = set(chosen) - {*usual, *_ON_REQUEST}
    if unknown:
        known = ", ".join([*usual, *_ON_REQUEST])
        say(f"unknown: {', '.join(sorted(unknown))}; there are {known}")
        sys.exit(2)
    for name in set(_ON_REQUEST) - set(chosen):
        say(f'not measured, since it takes long: {name}; ask with `make bench ARGS="{name}"`')
    asyncio.run(_main(chosen))
