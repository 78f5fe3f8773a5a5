"""The floor of backfill: fetching all answers once and looking at none.

Apart from everything else, so that its processes start as fast as they can.
"""

import asyncio
import http.client
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from benchmarks.http_load import host_and_port

_BATCH_BLOCKS = 25
_WORKERS = 2


@dataclass(frozen=True, slots=True)
class _Part:
    """A range to fetch and throw away."""

    node_url: str
    first: int
    last: int


async def seconds_to_throw_away(node_url: str, first: int, last: int) -> float:
    """How long the blocks `first` to `last` take to be read to their last byte, and not parsed.

    Counts from before its processes start, as the backfill's time does.
    """
    middle = (first + last) // 2
    halves = (_Part(node_url, first, middle), _Part(node_url, middle + 1, last))
    started = time.perf_counter()
    with ProcessPoolExecutor(_WORKERS, mp_context=get_context("spawn")) as pool:
        await asyncio.gather(*(asyncio.wrap_future(pool.submit(_fetch, half)) for half in halves))
        return time.perf_counter() - started


def _fetch(part: _Part) -> int:
    """Fetch in batches and give the number of bytes."""
    connection = http.client.HTTPConnection(*host_and_port(part.node_url))
    total = 0
    for first in range(part.first, part.last + 1, _BATCH_BLOCKS):
        numbers = range(first, min(first + _BATCH_BLOCKS, part.last + 1))
        body = "[" + ",".join(_calls(number) for number in numbers) + "]"
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        total += len(connection.getresponse().read())
    return total


def _calls(number: int) -> str:
    call = '{{"jsonrpc":"2.0","id":1,"method":"{}","params":["{}"{}]}}'
    height = hex(number)
    block = call.format("eth_getBlockByNumber", height, ",true")
    return block + "," + call.format("eth_getBlockReceipts", height, "")
