"""Learns of new heads: by subscription where the node has one, and by polling beside it."""

import asyncio
import contextlib
import time
from dataclasses import dataclass

import aiohttp
import orjson
import structlog

from indexer.node import Node
from ledger.chain import BlockRef
from ledger.errors import TransientError
from ledger.json_hex import read_data, read_quantity

log = structlog.get_logger(__name__)

# A subscription that stays silent for this many block times is taken for dead.
_SILENT_BLOCK_TIMES = 3
_POLLS_PER_BLOCK_ALONE = 10
_POLLS_PER_BLOCK_BESIDE = 2
_RECONNECT_SECONDS = 1.0
_SUBSCRIBE = '{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'


@dataclass(frozen=True, slots=True)
class Announcement:
    """A head that a node told of; `received_at` is on the monotonic clock, in seconds."""

    head: BlockRef
    received_at: float


class HeadWatch:
    """Holds the newest announced head; older ones that nobody took are forgotten.

    Nothing is trusted here: an announcement only says what to fetch and prove.
    """

    def __init__(self, node: Node, *, ws_url: str | None, block_time_seconds: float) -> None:
        self._node = node
        self._ws_url = ws_url
        self._block_time = block_time_seconds
        self._newest: Announcement | None = None
        self._fresh = asyncio.Event()
        self._is_subscribed = False
        self.polled_at: float | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll())
            if self._ws_url is not None:
                tasks.create_task(self._subscribe(self._ws_url))

    async def next(self) -> Announcement:
        """The newest head that was not taken yet; waits for one."""
        await self._fresh.wait()
        self._fresh.clear()
        if self._newest is None:
            raise RuntimeError("woken without a head")
        return self._newest

    def again(self) -> None:
        """Let the newest head be taken once more, after it could not be applied."""
        if self._newest is not None:
            self._fresh.set()

    def _announce(self, head: BlockRef) -> None:
        if self._newest is not None and self._newest.head == head:
            return
        self._newest = Announcement(head, time.monotonic())
        self._fresh.set()

    async def _poll(self) -> None:
        while True:
            try:
                header = await self._node.head()
            except TransientError as error:
                log.warning("poll_failed", error=str(error))
            else:
                self.polled_at = time.time()
                self._announce(BlockRef(header.number, header.hash))
            rate = _POLLS_PER_BLOCK_BESIDE if self._is_subscribed else _POLLS_PER_BLOCK_ALONE
            await asyncio.sleep(self._block_time / rate)

    async def _subscribe(self, url: str) -> None:
        while True:
            try:
                await self._listen(url)
            except (aiohttp.ClientError, OSError, TimeoutError, TransientError) as error:
                log.warning("subscription_lost", url=url, error=repr(error))
            finally:
                self._is_subscribed = False
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen(self, url: str) -> None:
        silence_seconds = max(_SILENT_BLOCK_TIMES * self._block_time, 1.0)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, heartbeat=silence_seconds, max_msg_size=1 << 20) as socket,
        ):
            await socket.send_str(_SUBSCRIBE)
            while True:
                message = await socket.receive(timeout=silence_seconds)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                self._take(orjson.loads(message.data))

    def _take(self, message: object) -> None:
        if not isinstance(message, dict):
            return
        if "result" in message:
            self._is_subscribed = True
            log.info("subscribed")
        with contextlib.suppress(KeyError, TypeError):
            head = message["params"]["result"]
            self._announce(
                BlockRef(
                    read_quantity(head["number"], field="number"),
                    read_data(head["hash"], field="hash", length=32),
                )
            )
