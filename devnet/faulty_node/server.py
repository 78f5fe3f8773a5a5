"""The node's sockets: HTTP and WebSocket on one loopback port, failing as told."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from devnet.faulty_node.control import PREFIX, steer
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.subscription import Subscriptions
from devnet.faulty_node.switches import Strike
from devnet.faulty_node.view import RpcRefusal
from devnet.ports import LOOPBACK
from ledger.errors import TransientError

_PARSE_ERROR = -32700
_INVALID_REQUEST = -32600
_INTERNAL_ERROR = -32603
_HUGE_BYTES = 2**40


@dataclass(frozen=True)
class FaultyServer:
    """A node that listens, and where."""

    node: FaultyNode
    http_url: str
    ws_url: str


@contextlib.asynccontextmanager
async def serve(node: FaultyNode, *, port: int = 0) -> AsyncIterator[FaultyServer]:
    """Listen on loopback for the length of the block; port 0 is any free one.

    Raises:
        TransientError: the port is taken.
    """
    app = web.Application(client_max_size=64 * 1024 * 1024)
    endpoint = _Endpoint(node)
    app.router.add_post("/", endpoint.over_http)
    app.router.add_get("/", endpoint.over_websocket)
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05, keepalive_timeout=60
    )
    await runner.setup()
    try:
        try:
            site = web.TCPSite(runner, LOOPBACK, port)
            await site.start()
        except OSError as error:
            raise TransientError(f"port {port} cannot be listened on: {error}") from error
        bound = runner.addresses[0][1]
        yield FaultyServer(node, f"http://{LOOPBACK}:{bound}", f"ws://{LOOPBACK}:{bound}")
    finally:
        await endpoint.close()
        await runner.cleanup()


class _Endpoint:
    def __init__(self, node: FaultyNode) -> None:
        self._node = node
        self._sockets: set[web.WebSocketResponse] = set()

    async def close(self) -> None:
        for socket in tuple(self._sockets):
            await socket.close()

    async def over_http(self, request: web.Request) -> web.StreamResponse:
        asked = _parse(await request.read())
        strike = self._wire_fault(asked)
        body = self._reply(asked, strike)
        if strike is None or strike.fault.name == "error_object":
            return web.Response(body=body, content_type="application/json")
        return await _spoilt_response(request, body, strike)

    async def over_websocket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=None)
        await socket.prepare(request)
        self._sockets.add(socket)
        subscriptions = Subscriptions(self._node, socket)
        try:
            async with contextlib.aclosing(subscriptions):
                async for message in socket:
                    if message.type is not WSMsgType.TEXT:
                        break
                    if not await self._answer_message(request, socket, subscriptions, message.data):
                        break
        finally:
            self._sockets.discard(socket)
        return socket

    async def _answer_message(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        subscriptions: Subscriptions,
        text: str,
    ) -> bool:
        """Answer one message; False when the connection has been cut."""
        asked = _parse(text.encode())
        strike = self._wire_fault(asked)
        body = subscriptions.reply(asked)
        if body is None:
            body = self._reply(asked, strike)
        name = None if strike is None else strike.fault.name
        if name in {"connection_reset", "http_500", "rate_limited", "huge_answer"}:
            # Over a socket all of these are the provider hanging up.
            if request.transport is not None:
                request.transport.abort()
            return False
        if strike is not None and name == "slow_answer":
            await asyncio.sleep(strike.amount)
        sent = body[: len(body) // 2] if name == "invalid_json" else body
        await socket.send_str(sent.decode(errors="ignore"))
        return True

    def _wire_fault(self, asked: Any) -> Strike | None:
        first = asked[0] if isinstance(asked, list) and asked else asked
        method = first.get("method") if isinstance(first, dict) else None
        if not isinstance(method, str) or method.startswith(PREFIX):
            return None
        return self._node.wire_fault(method, first.get("params") or [])

    def _reply(self, asked: Any, strike: Strike | None) -> bytes:
        refuses = strike is not None and strike.fault.name == "error_object"
        if isinstance(asked, list) and asked:
            return orjson.dumps([self._reply_one(item, refuses=refuses) for item in asked])
        return orjson.dumps(self._reply_one(asked, refuses=refuses))

    def _reply_one(self, asked: Any, *, refuses: bool) -> dict[str, Any]:
        if asked is None:
            return _fault(None, RpcRefusal(_PARSE_ERROR, "parse error"))
        if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
            return _fault(None, RpcRefusal(_INVALID_REQUEST, "invalid request"))
        method, params = asked["method"], asked.get("params") or []
        try:
            if refuses:
                raise RpcRefusal(_INTERNAL_ERROR, "internal error")  # noqa: TRY301 - one shape of answer
            steered = method.startswith(PREFIX)
            ask = functools.partial(steer, self._node) if steered else self._node.answer
            return {"jsonrpc": "2.0", "id": asked.get("id"), "result": ask(method, params)}
        except RpcRefusal as refusal:
            return _fault(asked.get("id"), refusal)


async def _spoilt_response(request: web.Request, body: bytes, strike: Strike) -> web.StreamResponse:
    """An HTTP answer as a wire fault leaves it."""
    name = strike.fault.name
    if name == "rate_limited":
        return web.Response(status=429, headers={"Retry-After": str(strike.amount)})
    if name == "http_500":
        return web.Response(
            status=500, text="<html><h1>Bad gateway</h1></html>", content_type="text/html"
        )
    if name == "invalid_json":
        return web.Response(body=body[: len(body) // 2], content_type="application/json")
    if name == "slow_answer":
        await asyncio.sleep(strike.amount)
        return web.Response(body=body, content_type="application/json")
    announced = _HUGE_BYTES if name == "huge_answer" else len(body)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = announced
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return response


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _fault(request_id: Any, refusal: RpcRefusal) -> dict[str, Any]:
    error = {"code": refusal.code, "message": str(refusal)}
    return {"jsonrpc": "2.0", "id": request_id, "error": error}
