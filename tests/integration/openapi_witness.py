"""Stands before each oracle that a test serves: no operation answers what it does not announce.

`test_oracle_examples.py` provokes every answer that the OpenAPI document announces. Here is the
opposite, over all that any test asks for.
"""

import json
from typing import Any

from openapi_reader import JSON_TYPES, Reader, check_answer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oracle_api.access.route_map import RouteMap

ROUTES = RouteMap()


class Witness:
    """An oracle whose answers are compared with what its document announces."""

    def __init__(self, oracle: ASGIApp, reader: Reader) -> None:
        self._oracle, self._reader = oracle, reader
        self.unannounced: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: dict[str, Any] = {}

        async def send_and_compare(message: Message) -> None:
            match message["type"].removeprefix("websocket."):
                case "http.response.start":
                    start.update(message)
                case "http.response.body" if start:
                    # What has a schema is sent in one piece, and of the rest no body is compared.
                    body = message.get("body", b"")
                    self._compare(scope, start["status"], start["headers"], body)
                    start.clear()
                case "accept":
                    self._compare(scope, 101, message["headers"], b"")
            await send(message)

        await self._oracle(scope, receive, send_and_compare)

    def _compare(self, scope: Scope, status: int, headers: Any, body: bytes) -> None:
        operation = self._operation(scope)
        if operation is None:
            return
        told = {name.decode().lower(): value.decode() for name, value in headers}
        is_json = told.get("content-type", "").partition(";")[0] in JSON_TYPES
        try:
            answer = json.loads(body) if is_json else body
            check_answer(self._reader, operation, status, answer, told)
        except (AssertionError, ValueError) as error:
            where = f"{scope['method']} {scope['path']} answered {status}"
            self.unannounced.append(f"{where}: {error}: {body[:500]!r}")

    def _operation(self, scope: Scope) -> dict[str, Any] | None:
        """What the document says of a request; None where it has no such operation.

        A handshake is one only where a WebSocket is offered.
        """
        method, is_handshake = scope.get("method", "GET"), scope["type"] == "websocket"
        rule = ROUTES.find(scope["path"]).rules.get(method)
        item = {} if rule is None else self._reader.document["paths"].get(rule.path, {})
        found: dict[str, Any] | None = item.get(method.lower())
        if found is not None and is_handshake and "101" not in found["responses"]:
            return None
        return found
