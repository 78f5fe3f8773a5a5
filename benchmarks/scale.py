"""Whether a ledger with years of sales in it is as quick as an empty one."""

import time
from dataclasses import dataclass

from benchmarks.bench_stack import BenchStack, bench_stack
from benchmarks.figures import Figure, percentiles, say
from benchmarks.follow import ChainClock, prepare_rounds
from benchmarks.http_load import open_connection, open_loop, request
from benchmarks.scale_history import ORDERS, TRANSFERS, fill
from benchmarks.validate import paid_questions

TILLS = 200
SECONDS = 15
COMMITS = 100
LISTS = 200
_WARM_UP_SECONDS = 2
_WARM_UP = 10
_QUESTIONS = 50


@dataclass(frozen=True, slots=True)
class _Samples:
    """Seconds of each validation, commit and order list."""

    validate: list[float]
    commit: list[float]
    order_list: list[float]


async def measure_scale() -> list[Figure]:
    """`scale.validate_ratio`, `scale.commit_ratio`, `scale.order_list_ratio`, in milliseconds.

    The median of the same three things on an empty ledger (the floor) and on one with 10,000,000
    transfers and 1,000,000 orders, paid and settled, with their payments and events.
    """
    async with bench_stack() as stack:
        say("scale: an empty ledger ...")
        empty = await _measure(stack, "empty")
        await fill(stack)
        say(f"scale: {TRANSFERS} transfers and {ORDERS} orders ...")
        full = await _measure(stack, "full")
    return [
        Figure(f"scale.{name}_ratio", _median(loaded), "ms", _median(bare))
        for name, loaded, bare in (
            ("validate", full.validate, empty.validate),
            ("commit", full.commit, empty.commit),
            ("order_list", full.order_list, empty.order_list),
        )
    ]


def _median(samples: list[float]) -> float:
    return percentiles(samples)["p50"]


async def _measure(stack: BenchStack, name: str) -> _Samples:
    questions = await paid_questions(stack, _QUESTIONS, name=name)
    return _Samples(
        await _validations(stack, questions), await _commits(stack, name), await _lists(stack)
    )


async def _validations(stack: BenchStack, questions: list[bytes]) -> list[float]:
    connections = [await open_connection(stack.oracle_url) for _ in range(TILLS)]
    try:
        await open_loop(connections, questions, seconds=_WARM_UP_SECONDS)
        return await open_loop(connections, questions, seconds=SECONDS)
    finally:
        for connection in connections:
            connection.transport.close()


async def _commits(stack: BenchStack, name: str) -> list[float]:
    samples = []
    async with ChainClock(stack) as clock:
        for raw_transactions, _ in await prepare_rounds(stack, f"scale-{name}", COMMITS):
            number, available_at = await clock.mine(raw_transactions)
            samples.append(await clock.committed_at(number) - available_at)
    return samples[_WARM_UP:]


async def _lists(stack: BenchStack) -> list[float]:
    """The open orders, as a till lists them, and the newest settled ones, as the office does."""
    paths = ("/api/v1/orders?limit=50", "/api/v1/orders?status=settled&limit=50")
    requests = [request("GET", stack.oracle_url, path) for path in paths]
    connection = await open_connection(stack.oracle_url)
    samples = []
    for number in range(LISTS):
        started = time.perf_counter()
        status, body = await connection.send(requests[number % len(requests)])
        samples.append(time.perf_counter() - started)
        if status != 200:  # noqa: PLR2004 - HTTP's own number
            raise RuntimeError(f"the server answered {status}: {body[:200]!r}")
    connection.transport.close()
    return samples[_WARM_UP:]
