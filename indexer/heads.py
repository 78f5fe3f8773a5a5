"""Learns of new heads: by subscription where a node has one, and by polling beside it."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

import structlog

from indexer.rpc import NodeUnreachableError
from indexer.socket_rpc import SocketRpc
from indexer.source import Source
from ledger.chain import BlockRef
from ledger.errors import TransientError
from ledger.json_hex import read_data, read_quantity

log = structlog.get_logger(__name__)

# A subscription that stays silent for this many block times is taken for dead.
_SILENT_BLOCK_TIMES = 3
_MIN_SILENCE_SECONDS = 1.0
_POLLS_PER_BLOCK_ALONE = 10
_POLLS_PER_BLOCK_BESIDE = 2
_RECONNECT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """A head that a node told of; `received_at` is on the monotonic clock, in seconds."""

    head: BlockRef
    source: Source
    received_at: float


class Heads:
    """Each node's newest head that nobody took yet; older ones are forgotten.

    Nothing is trusted here: an announcement only says what to fetch and prove.
    """

    def __init__(self) -> None:
        self._waiting: dict[Source, Announcement] = {}
        self._fresh = asyncio.Event()
        self.polled_at: float | None = None

    async def next(self) -> Announcement:
        """The highest untaken head, of equal ones the first told; waits for one."""
        await self._fresh.wait()
        taken = min(self._waiting.values(), key=lambda told: (-told.head.number, told.received_at))
        del self._waiting[taken.source]
        if not self._waiting:
            self._fresh.clear()
        return taken

    def put(self, announcement: Announcement) -> None:
        """Hand in a head; also one that could not be applied and is to be tried again."""
        waiting = self._waiting.get(announcement.source)
        if waiting is None or waiting.received_at <= announcement.received_at:
            self._waiting[announcement.source] = announcement
            self._fresh.set()


class HeadWatch:
    """Watches one node and hands its heads in."""

    def __init__(self, source: Source, heads: Heads, *, block_time_seconds: float) -> None:
        self._source = source
        self._heads = heads
        self._block_time = block_time_seconds
        self._is_subscribed = False
        # The watch's own: after the database was away, a new one tells the same head again.
        self._told: BlockRef | None = None
        self._notified = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll())
            if self._source.node.socket is not None:
                tasks.create_task(self._subscribe(self._source.node.socket))

    def _announce(self, head: BlockRef) -> None:
        """Hand in a head unless it is the one that this node told of last."""
        self._source.health.head = head
        if head != self._told:
            self._told = head
            self._heads.put(Announcement(head, self._source, time.monotonic()))

    async def _poll(self) -> None:
        while True:
            started = time.monotonic()
            try:
                header = await self._source.node.head()
            except TransientError as error:
                self._source.failed(error)
                log.warning("poll_failed", source=self._source.name, error=str(error))
            else:
                self._source.served(time.monotonic() - started)
                self._heads.polled_at = time.time()
                self._announce(BlockRef(header.number, header.hash))
            rate = _POLLS_PER_BLOCK_BESIDE if self._is_subscribed else _POLLS_PER_BLOCK_ALONE
            await asyncio.sleep(max(self._block_time / rate, self._rest_seconds()))

    def _rest_seconds(self) -> float:
        """How long the node is still to be left alone, as it asked or after it failed."""
        return max(0.0, self._source.health.resting_until - time.monotonic())

    async def _subscribe(self, socket: SocketRpc) -> None:
        while True:
            try:
                await self._listen(socket)
            except TransientError as error:
                log.warning("subscription_lost", source=self._source.name, error=str(error))
            finally:
                self._is_subscribed = False
                await socket.close()
            await asyncio.sleep(max(_RECONNECT_SECONDS, self._rest_seconds()))

    async def _listen(self, socket: SocketRpc) -> None:
        """Take in heads until the socket closes or has told of none for too long."""
        socket.on_notification = self._take
        await socket.call("eth_subscribe", ["newHeads"])
        self._is_subscribed = True
        log.info("subscribed", source=self._source.name)
        silence_seconds = max(_SILENT_BLOCK_TIMES * self._block_time, _MIN_SILENCE_SECONDS)
        closed = asyncio.create_task(socket.until_closed())
        try:
            while not closed.done():
                self._notified.clear()
                told = asyncio.create_task(self._notified.wait())
                heard, _ = await asyncio.wait(
                    (closed, told), timeout=silence_seconds, return_when=asyncio.FIRST_COMPLETED
                )
                told.cancel()
                if not heard:
                    raise NodeUnreachableError(f"no head for {silence_seconds:g} s")
        finally:
            closed.cancel()

    def _take(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(KeyError, TypeError, TransientError):
            head = message["params"]["result"]
            self._announce(
                BlockRef(
                    read_quantity(head["number"], field="number"),
                    read_data(head["hash"], field="hash", length=32),
                )
            )
            self._notified.set()
