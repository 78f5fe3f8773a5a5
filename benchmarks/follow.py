"""How long a block takes from the node into the ledger, and on to the tills."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

import aiohttp
import asyncpg
import orjson

from benchmarks.bench_stack import BenchStack
from benchmarks.figures import Figure, percentiles, say
from benchmarks.tills import Tills, bare_fan_out
from ledger.json_hex import read_data
from ledger.store.journal import CHANNEL

BLOCKS = 200
TRANSFERS_PER_BLOCK = 10
TILLS = 200
_WARM_UP_BLOCKS = 10
_TIMEOUT_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
_SENT_AT_ONCE = 50


@dataclass
class _Commits:
    """When the ledger's notifications arrived, by tip; seconds on the monotonic clock."""

    seen: dict[int, float] = field(default_factory=dict)
    fresh: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, *arguments: Any) -> None:
        tip = orjson.loads(arguments[-1])["tip"]
        if tip is not None:
            self.seen.setdefault(tip, time.perf_counter())
            self.fresh.set()

    async def at(self, tip: int) -> float:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            while tip not in self.seen:
                self.fresh.clear()
                await self.fresh.wait()
        return self.seen[tip]


async def measure_commit(stack: BenchStack) -> list[Figure]:
    """`follow.commit_latency_ms`.

    A round mines a block of ten payments. It begins when the node announces the block to us, or
    answers that it has mined it, whichever comes first; it ends when the commit's notification
    arrives here. The floor, measured after each round, fetches block and receipts without looking
    at them and commits ten bare rows.
    """
    say(f"commit: {BLOCKS} blocks of {TRANSFERS_PER_BLOCK} payments ...")
    commits, floors = [], []
    async with ChainClock(stack) as bench:
        for raw_transactions, _ in await prepare_rounds(stack, "commit", BLOCKS):
            number, available_at = await bench.mine(raw_transactions)
            commits.append(await bench.committed_at(number) - available_at)
            floors.append(await bench.bare_commit(number))
    return [_figure("follow.commit_latency_ms", commits, floors)]


async def measure_push(stack: BenchStack) -> list[Figure]:
    """`follow.push_latency_ms`.

    As for the commit, but a round ends for each of 200 tills when it has read "Paid" for all ten
    orders. The floor adds to the bare commit that the same bytes are written to 200 bare sockets.
    """
    say(f"push: {BLOCKS} blocks of {TRANSFERS_PER_BLOCK} payments, {TILLS} tills ...")
    pushes, floors = [], []
    async with (
        ChainClock(stack) as bench,
        Tills(stack.oracle_url, TILLS) as tills,
        bare_fan_out(TILLS) as bare,
    ):
        for raw_transactions, order_ids in await prepare_rounds(stack, "push", BLOCKS):
            told = tills.expect(len(order_ids))
            number, available_at = await bench.mine(raw_transactions)
            told_at = await asyncio.wait_for(told, _TIMEOUT_SECONDS)
            pushes.append([at - available_at for at in told_at])
            floor = await bench.bare_commit(number)
            floors.append(floor + await bare(tills.last_message * TRANSFERS_PER_BLOCK))
    samples = [sample for round_ in pushes[_WARM_UP_BLOCKS:] for sample in round_]
    return [Figure("follow.push_latency_ms", percentiles(samples), "ms", percentiles(floors))]


def _figure(name: str, samples: list[float], floors: list[float]) -> Figure:
    measured = percentiles(samples[_WARM_UP_BLOCKS:])
    return Figure(name, measured, "ms", percentiles(floors[_WARM_UP_BLOCKS:]))


async def prepare_rounds(
    stack: BenchStack, name: str, count: int
) -> list[tuple[list[str], list[str]]]:
    """For each round the signed payments and the orders that they pay."""
    rounds = []
    for index in range(count):
        orders = [
            await stack.order(f"{name}-{index}-{place}") for place in range(TRANSFERS_PER_BLOCK)
        ]
        raw = [stack.sign_transfer(address, units) for _, address, units in orders]
        rounds.append((raw, [order_id for order_id, _, _ in orders]))
    return rounds


class ChainClock:
    """Our own subscription beside the indexer's, our own LISTEN, and the floor's table."""

    def __init__(self, stack: BenchStack) -> None:
        self._stack = stack
        self._announced: dict[int, float] = {}
        self._commits = _Commits()
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        enter = self._exits.enter_async_context
        self._database = await asyncpg.connect(self._stack.database_url)
        self._exits.push_async_callback(self._database.close)
        await self._database.add_listener(CHANNEL, self._commits.take)
        await self._database.execute(
            "CREATE TABLE IF NOT EXISTS bench_floor (hash bytea, amount numeric(78, 0))"
        )
        session = await enter(aiohttp.ClientSession())
        socket = await enter(session.ws_connect(self._stack.manifest.node_ws_url))
        await socket.send_json(
            {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        )
        await socket.receive()
        reader = asyncio.create_task(self._read(socket))
        self._exits.callback(reader.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def mine(self, raw_transactions: Sequence[str]) -> tuple[int, float]:
        """Mine these in one block; gives its number and when the node first had it."""
        node = self._stack.node
        for start in range(0, len(raw_transactions), _SENT_AT_ONCE):
            part = raw_transactions[start : start + _SENT_AT_ONCE]
            await asyncio.gather(*(node.call("eth_sendRawTransaction", raw) for raw in part))
        await asyncio.sleep(_PAUSE_SECONDS)  # so that rounds do not overlap
        await node.call("evm_mine")
        mined_at = time.perf_counter()
        number = await node.quantity("eth_blockNumber")
        return number, min(mined_at, self._announced.get(number, mined_at))

    async def committed_at(self, number: int) -> float:
        """When the ledger told that it stands on this block."""
        return await self._commits.at(number)

    async def bare_commit(self, number: int, *, rows: int = TRANSFERS_PER_BLOCK) -> float:
        """Seconds for one bare fetch plus one bare commit."""
        started = time.perf_counter()
        height = hex(number)
        block, _ = await asyncio.gather(
            self._stack.node.call("eth_getBlockByNumber", height, True),  # noqa: FBT003
            self._stack.node.call("eth_getBlockReceipts", height),
        )
        async with self._database.transaction():
            await self._database.execute(
                "INSERT INTO bench_floor SELECT $1, unnest($2::numeric[])",
                read_data(block["hash"], field="hash"),
                [Decimal(1)] * rows,
            )
        return time.perf_counter() - started

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            at = time.perf_counter()
            number = int(orjson.loads(message.data)["params"]["result"]["number"], 16)
            self._announced[number] = at
