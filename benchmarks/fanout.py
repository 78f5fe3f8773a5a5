"""How long one event takes to thousands of clients, and what each of them costs."""

import asyncio
import statistics

import psutil

from benchmarks.bench_stack import BenchStack, in_haste
from benchmarks.figures import Figure, say
from benchmarks.follow import ChainClock
from benchmarks.http_load import host_and_port
from benchmarks.tills import Tills, bare_fan_out
from ledger.store.journal import read_last_seq
from ledger.store.pool import connect

CLIENTS = 5_000
ROUNDS = 20
_TIMEOUT_SECONDS = 60.0
_KILOBYTE = 1_000


async def measure_fanout(stack: BenchStack) -> list[Figure]:
    """`push.fanout_ms`: one order is paid, and 5,000 clients of one oracle process are told.

    From when we are notified of the commit, as the oracle is, until the first, the median and the
    last client has read "Paid"; the median of twenty events. The floor is to write the same bytes
    to as many bare sockets. `push.client_kilobytes` is what each client adds to the oracle's
    memory; its floor, the smallest thing that we could keep for one, is a kilobyte.
    """
    say(f"fanout: {ROUNDS} events to {CLIENTS} clients ...")
    oracle = _listening_process(stack.oracle_url)
    before = oracle.memory_info().rss
    rounds = []
    async with in_haste(stack):
        orders = [await stack.order(f"fanout-{number}") for number in range(ROUNDS)]
    async with (
        ChainClock(stack) as clock,
        Tills(stack.oracle_url, CLIENTS, since=await _last_seq(stack)) as clients,
    ):
        kilobytes = (oracle.memory_info().rss - before) / CLIENTS / _KILOBYTE
        for _, address, units in orders:
            told = clients.expect(1)
            number, _ = await clock.mine([stack.sign_transfer(address, units)])
            committed_at = await clock.committed_at(number)
            told_at = await asyncio.wait_for(told, _TIMEOUT_SECONDS)
            rounds.append(sorted(at - committed_at for at in told_at))
        message = clients.last_message
    async with bare_fan_out(CLIENTS) as bare:
        floors = [await bare(message) for _ in range(ROUNDS)]
    value = {
        name: _milliseconds([told[place] for told in rounds])
        for name, place in (("first", 0), ("p50", CLIENTS // 2), ("last", -1))
    }
    return [
        Figure("push.fanout_ms", value["last"], "ms", _milliseconds(floors)),
        Figure("push.fanout_p50_ms", value["p50"], "ms", _milliseconds(floors)),
        Figure("push.fanout_first_ms", value["first"], "ms", _milliseconds(floors)),
        Figure("push.client_kilobytes", round(kilobytes, 1), "kB", 1.0),
    ]


def _milliseconds(samples: list[float]) -> float:
    return round(statistics.median(samples) * 1000, 1)


async def _last_seq(stack: BenchStack) -> int:
    connection = await connect(stack.database_url, application_name="billcoin-bench")
    try:
        return await read_last_seq(connection)
    finally:
        await connection.close()


def _listening_process(url: str) -> psutil.Process:
    """The process behind a URL of ours, one of our descendants."""
    _, port = host_and_port(url)
    for process in psutil.Process().children(recursive=True):
        held = process.net_connections(kind="tcp")
        if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in held):
            return process
    raise RuntimeError(f"nothing of ours listens on port {port}")
