"""The newHeads subscriptions of one WebSocket."""

import asyncio
import contextlib
from typing import Any

import orjson
from aiohttp import ClientConnectionResetError, web

from devnet.faulty_node.announcements import NEW_HEADS
from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.node import FaultyNode


class Subscriptions:
    """Forwards the model's heads to a socket for as long as it is subscribed."""

    def __init__(self, node: FaultyNode, socket: web.WebSocketResponse) -> None:
        self._node = node
        self._socket = socket
        self._told: asyncio.Queue[Any] = asyncio.Queue()
        self._ids: list[str] = []
        self._count = 0
        self._sender = asyncio.create_task(self._send())
        node.model.listeners.append(self._hear)

    async def aclose(self) -> None:
        """Stop forwarding."""
        self._node.model.listeners.remove(self._hear)
        self._sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sender

    def reply(self, asked: Any) -> bytes | None:
        """The answer to a subscription's own methods; None when it is another method."""
        if not isinstance(asked, dict):
            return None
        result: Any
        if asked.get("method") == "eth_subscribe" and asked.get("params") == [NEW_HEADS]:
            self._count += 1
            result = hex(self._count)
            self._ids.append(result)
            self._node.announcements.subscribed += 1
        elif asked.get("method") == "eth_unsubscribe":
            named = (asked.get("params") or [None])[0]
            result = named in self._ids
            self._ids = [known for known in self._ids if known != named]
        else:
            return None
        return orjson.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "result": result})

    def _hear(self, head: ModelBlock) -> None:
        """Decide at once what to tell, so that it does not depend on when it is sent."""
        for told in self._node.announcements.of(head) if self._ids else ():
            self._told.put_nowait(told)

    async def _send(self) -> None:
        with contextlib.suppress(ClientConnectionResetError):
            while True:
                told = await self._told.get()
                for subscription in self._ids:
                    await self._socket.send_str(_notification(subscription, told))


def _notification(subscription: str, told: Any) -> str:
    if isinstance(told, str):
        return told  # a fault that is not even JSON
    params = {"subscription": subscription, "result": told}
    return orjson.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params}).decode()
