"""`make chaos`: thousands of seeded histories, a process for each core, and one line of JSON."""

import argparse
import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

import structlog
from chaos_run import ChaosReport, run_history
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from witness import call_witness

from devnet.databases import fresh_database
from devnet.postgres import postgres_server
from ledger.store.pool import connect
from migrations import upgrade

_SEEDS_A_TASK = 40
_SHOWN_TRACE = 60
# Where nobody sees a bar move, a line tells how far it is.
_TELL_EVERY = 500


@dataclass
class Summary:
    """What all histories together had been through."""

    runs: int = 0
    failed: dict[int, list[str]] = field(default_factory=dict)
    injected: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, report: ChaosReport) -> None:
        self.runs += 1
        self.injected += report.injected
        self.outcomes += report.outcomes
        if report.differences:
            self.failed[report.seed] = report.differences


def main() -> int:
    options = _options()
    console = Console(stderr=True)
    seeds = range(options.seed, options.seed + options.runs)
    started = time.monotonic()
    summary = Summary()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        postgres_server() as server,
        _progress(console) as bar,
        contextlib.suppress(KeyboardInterrupt),  # what was lived through by then is still told
    ):
        task = bar.add_task("histories", total=len(seeds))
        for report in _reports(server.url(), seeds, options.processes):
            summary.add(report)
            bar.advance(task)
            if not console.is_terminal and summary.runs % _TELL_EVERY == 0:
                console.print(f"{summary.runs} of {len(seeds)}, {len(summary.failed)} diverge")
            if report.differences:
                console.print(_told(report), markup=False, highlight=False)
    line = {
        "runs": summary.runs,
        "first_seed": options.seed,
        "divergences": len(summary.failed),
        "failed_seeds": sorted(summary.failed)[:20],
        "seconds": round(time.monotonic() - started, 1),
        "faults": dict(sorted(summary.injected.items())),
        "steps": dict(sorted(summary.outcomes.items())),
    }
    print(json.dumps(line))  # noqa: T201 - the result
    return 1 if summary.failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="the first of the seeds")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)


def _reports(server_url: str, seeds: range, processes: int) -> Iterator[ChaosReport]:
    shares = [
        list(seeds[first : first + _SEEDS_A_TASK]) for first in range(0, len(seeds), _SEEDS_A_TASK)
    ]
    if processes == 1 or len(shares) == 1:
        for share in shares:
            yield from _live(server_url, share)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        tasks = [pool.submit(_live, server_url, share) for share in shares]
        try:
            for done in as_completed(tasks):
                yield from done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _live(server_url: str, seeds: list[int]) -> list[ChaosReport]:
    """Live through some histories in this process, on a database of its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

    async def live() -> list[ChaosReport]:
        async with fresh_database(server_url) as url:
            await upgrade(url)
            connection = await connect(url, application_name="chaos")
            try:
                await call_witness(connection)
                return [await run_history(connection, seed) for seed in seeds]
            finally:
                await connection.close()

    return asyncio.run(live())


def _told(report: ChaosReport) -> str:
    differences = "\n  ".join(report.differences[:8])
    trace = " ".join(report.trace[-_SHOWN_TRACE:])
    return (
        f"seed {report.seed} diverges; replay it: make chaos RUNS=1 SEED={report.seed}\n"
        f"  {differences}\n  after: {trace}"
    )


if __name__ == "__main__":
    sys.exit(main())
