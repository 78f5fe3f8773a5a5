"""Ethereum JSON-RPC over one WebSocket: calls, and the notifications of its subscription."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import orjson

from indexer.rpc import MAX_ANSWER_BYTES, NodeUnreachableError, reason_of, result_of


class SocketRpc:
    """One node's WebSocket; it is opened by the first call and again after it was lost.

    Behind a load balancer, what a connection announces and what it is then asked for come from the
    same node.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, *, timeout_seconds: float) -> None:
        self.url = url
        self.on_notification: Callable[[dict[str, Any]], None] = lambda _: None
        self._session = session
        self._timeout_seconds = timeout_seconds
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether calls go out without connecting first."""
        return self._socket is not None and not self._socket.closed

    async def call(self, method: str, params: Sequence[Any]) -> Any:
        """The result of one call; None where the node answers null.

        Raises:
            NodeUnreachableError, NodeRefusedError: as they say.
        """
        number = next(self._ids)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                socket = await self._open()
                self._waiting[number] = answer
                await socket.send_str(orjson.dumps(request).decode())
                return result_of(method, await answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error, TimeoutError):
                await self.close()  # a socket that keeps one answer back may keep back all
            raise NodeUnreachableError(f"{method}: no answer: {reason_of(error)}") from error
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Hang up; the next call connects anew."""
        socket, self._socket = self._socket, None
        if self._reader is not None:
            self._reader.cancel()
        if socket is not None:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await socket.close()

    async def until_closed(self) -> None:
        """Wait until the connection is lost."""
        if self._reader is not None:
            await asyncio.wait([self._reader])

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        async with self._opening:
            if self._socket is None or self._socket.closed:
                self._socket = await self._session.ws_connect(
                    self.url, max_msg_size=MAX_ANSWER_BYTES
                )
                self._reader = asyncio.create_task(self._read(self._socket))
            return self._socket

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data.encode())
        finally:
            lost = NodeUnreachableError("the node's socket was lost")
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(lost)

    def _take(self, text: bytes) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return  # whoever waits for it will ask again in time
        if not isinstance(message, dict):
            return
        waiting = self._waiting.get(message.get("id", 0))
        if waiting is not None and not waiting.done():
            waiting.set_result(text)
        elif "method" in message:
            self.on_notification(message)
