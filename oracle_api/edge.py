"""The outermost layer: what is true of every request, and the short way for the hot routes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.errors import RejectedError
from oracle_api import versions
from oracle_api.access.gate import Gate, MethodNotAllowedError
from oracle_api.access.principal import Principal
from oracle_api.access.route_map import Rule, served_as
from oracle_api.budgets.allowance import Allowance
from oracle_api.metrics import Metrics
from oracle_api.problems import (
    DeniedError,
    Header,
    Headers,
    Reply,
    UnavailableError,
    problem_of,
)
from oracle_api.refusals import (
    REQUEST_ID_HEADER,
    SECURITY_HEADERS,
    all_headers,
    is_request_id,
    new_request_id,
    refused,
)
from oracle_api.request import ABORT, ClientGoneError, DirectRequest, read_body
from oracle_api.versions import UnknownVersionError
from oracle_api.visitor import Door

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})

log = structlog.get_logger()

DirectRoute = Callable[[DirectRequest], Awaitable[Reply]]
StreamRoute = Callable[[DirectRequest, Receive, Send], Awaitable[Reply | None]]
"""Sends its own answer and returns None, or returns a refusal that has still to be sent."""


class Edge:
    """Gives every request an id and limits, every answer its headers, every error a shape.

    Requests to `direct` routes and `streams` go there at once, WebSocket handshakes to `sockets`,
    all others to `inner`.
    """

    def __init__(
        self,
        inner: ASGIApp,
        *,
        direct: Mapping[tuple[str, str], DirectRoute],
        streams: Mapping[tuple[str, str], StreamRoute],
        sockets: Mapping[tuple[str, str], StreamRoute],
        metrics: Metrics,
        door: Door,
        gate: Gate,
        allowance: Allowance,
    ) -> None:
        self._inner = inner
        self._allowance = allowance
        self._door = door
        self._gate = gate
        self._direct = direct
        self._streams = streams
        self._sockets = sockets
        self._direct_paths = {path for _, path in (*direct, *streams)}
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        request_id, announced, is_version_known = _read_head(scope["headers"])
        structlog.contextvars.bind_contextvars(requestId=request_id)
        is_socket = scope["type"] == "websocket"
        if is_socket:
            await receive()  # only says that a handshake has come
            scope["method"], send = "GET", _refusing_handshakes(send)
        method, path = scope["method"], scope["path"]
        try:
            self._door.check(method, scope["headers"], is_socket=is_socket)
            body = b""
            if method in _WITH_BODY:
                body = await read_body(receive, announced=announced)
        except RejectedError as error:
            # What was not read would be taken for the next request.
            reply = refused(error, path, request_id)
            await self._send(reply, request_id, method, send, route="refused", last=True)
            return
        except ClientGoneError:
            return
        if not is_version_known:
            reply = refused(UnknownVersionError(), path, request_id)
            await self._send(reply, request_id, method, send, route="refused")
            return
        await self._admit(scope, body, receive, send, request_id)

    async def _admit(
        self, scope: Scope, body: bytes, receive: Receive, send: Send, request_id: str
    ) -> None:
        method, path, route = scope["method"], scope["path"], "unmatched"
        try:
            rule = self._gate.find(method, path)
            route = rule.path
            principal = await self._identify(rule, scope)
            told = await self._allowance.spend(principal, served_as(method), route)
        except Exception as error:
            if not isinstance(error, RejectedError | UnavailableError):
                log.exception("a request failed", path=path)
            reply = refused(error, path, request_id)
            await self._send(reply, request_id, method, send, route=route)
            return
        if scope["type"] == "websocket" or path in self._direct_paths:
            query, headers = scope["query_string"], scope["headers"]
            request = DirectRequest(
                *(request_id, method, path, query, headers, body, principal),
                is_socket=scope["type"] == "websocket",
                abort=scope.get(ABORT, _nothing),
            )
            await self._answer_directly(request, receive, send, told)
        else:
            state = {"request_id": request_id, "principal": principal, "rule": rule}
            scope.setdefault("state", {}).update(state)
            await self._pass_on(scope, body, receive, send, told)

    async def _identify(self, rule: Rule, scope: Scope) -> Principal:
        address = _address_of(scope)
        try:
            return await self._gate.admit(rule, scope["headers"], address)
        except DeniedError:
            await self._allowance.spend_denied(address)
            raise

    async def _answer_directly(
        self, request: DirectRequest, receive: Receive, send: Send, told: Headers
    ) -> None:
        asked = (served_as(request.method), request.path)
        route = None if request.is_socket else self._direct.get(asked)
        stream = (self._sockets if request.is_socket else self._streams).get(asked)
        reply: Reply | None
        try:
            if route is not None:
                reply = await route(request)
            elif stream is not None:
                reply = await stream(request, receive, send)
            elif request.is_socket:
                error = RejectedError("route_not_found", "there is no WebSocket here")
                reply = refused(error, request.path, request.id)
            else:
                reply = refused(self._not_allowed(request.path), request.path, request.id)
        except Exception as error:
            log.exception("a request failed", path=request.path)
            reply = refused(error, request.path, request.id)
        if reply is None:
            status = "101" if request.is_socket else "200"
            self._metrics.requests.labels(request.path, request.method, status).inc()
        else:
            reply = Reply(reply.status, reply.body, (*reply.headers, *told))
            await self._send(reply, request.id, request.method, send, route=request.path)

    def _not_allowed(self, path: str) -> MethodNotAllowedError:
        return MethodNotAllowedError(
            [method for method, one in (*self._direct, *self._streams) if one == path]
        )

    async def _send(
        self,
        reply: Reply,
        request_id: str,
        method: str,
        send: Send,
        *,
        route: str,
        last: bool = False,
    ) -> None:
        self._metrics.requests.labels(route, method, str(reply.status)).inc()
        headers = all_headers(reply, request_id, last=last)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _pass_on(
        self, scope: Scope, body: bytes, receive: Receive, send: Send, told: Headers
    ) -> None:
        status, request_id, method = 0, scope["state"]["request_id"], scope["method"]
        is_body_given = method not in _WITH_BODY
        # A copy, so that the server still knows that it is to leave the body out.
        scope = {**scope, "method": served_as(method)}

        async def receive_again() -> Message:
            nonlocal is_body_given
            if is_body_given:
                return await receive()
            is_body_given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_ours(message.get("headers", ()), request_id, told)
            await send(message)

        try:
            await self._inner(scope, receive_again, send_with_headers)
        except Exception as error:
            log.exception("a request failed", path=scope["path"])
            if not status:
                reply = problem_of(error, request_id=request_id)
                await self._send(reply, request_id, method, send, route=_route_of(scope))
                return
        self._metrics.requests.labels(_route_of(scope), method, str(status)).inc()


def _refusing_handshakes(send: Send) -> Send:
    """Lets a handshake be refused with a whole HTTP answer, as other requests are."""

    async def send_before_acceptance(message: Message) -> None:
        if message["type"].startswith("http.response."):
            message["type"] = f"websocket.{message['type']}"
        await send(message)

    return send_before_acceptance


def _nothing() -> None:
    """Abort a connection of a server that is not ours."""


def _address_of(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _read_head(headers: list[Header]) -> tuple[str, int, bool]:
    """The request's id (a client's own if harmless), its body's length, is its version ours."""
    request_id, announced, is_version_known = "", 0, True
    for name, value in headers:
        if name == REQUEST_ID_HEADER and is_request_id(value):
            request_id = value.decode()
        elif name == b"content-length" and value.isdigit():
            announced = int(value)
        elif name == versions.HEADER_NAME and value not in versions.SUPPORTED:
            is_version_known = False
    return request_id or new_request_id(), announced, is_version_known


def _with_ours(headers: Any, request_id: str, told: Headers) -> list[Header]:
    own = [(bytes(name).lower(), bytes(value)) for name, value in headers]
    names = {name for name, _ in own}
    added = [header for header in SECURITY_HEADERS if header[0] not in names]
    return [*own, *added, *told, (REQUEST_ID_HEADER, request_id.encode()), versions.HEADER]


def _route_of(scope: Scope) -> str:
    # Never the path itself: strangers choose paths, and each would be a new time series.
    return getattr(scope.get("route"), "path", None) or "unmatched"
