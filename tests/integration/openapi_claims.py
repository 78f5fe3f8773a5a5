"""Claims what OpenAPI announces: each answer of each operation, by comparing a real one."""

import base64
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from access_support import Person
from openapi_reader import Reader, check_answer, request_of
from oracle_support import Client

SOCKET_PATH = "/api/v1/orders/ws"
PROBLEM = "application/problem+json"
SAME = ("type", "title", "status", "code", "param", "retryable")
"""What of a problem never differs from its example."""

Got = tuple[int, Any, dict[str, str]]
Pair = tuple[str, str, int]
"""Method, path and status: an answer that an operation announces."""


def announced(document: dict[str, Any]) -> set[Pair]:
    """Every answer of every operation."""
    reader = Reader(document)
    return {
        (method, path, status)
        for path, method, operation in reader.operations()
        for status, _ in reader.responses(operation)
    }


@dataclass
class Claims:
    """What has been compared so far; nothing else puts anything in here."""

    taken: set[Pair] = field(default_factory=set)

    def require(self, mine: Callable[[Pair], bool], document: dict[str, Any]) -> None:
        """Make sure that all of my share has been compared."""
        left = sorted(pair for pair in announced(document) - self.taken if mine(pair))
        assert not left, left


class Operations:
    """The operations of a served document, each to be asked as its examples say."""

    def __init__(
        self, document: dict[str, Any], claims: Claims, ids: dict[str, str] | None = None
    ) -> None:
        self.document, self.reader = document, Reader(document)
        self.all = [(method, path) for path, method, _ in self.reader.operations()]
        self._claims, self._ids, self._asked = claims, ids or {}, 0

    def with_(self, status: int) -> list[tuple[str, str]]:
        """The operations that announce this status."""
        return [
            (method, path)
            for method, path in self.all
            if str(status) in self._operation(method, path)["responses"]
        ]

    def example(self, method: str, path: str, status: int) -> Any:
        """What is announced for a status; None where it has no content."""
        return self._content(method, path, status).get("example")

    async def ask(
        self,
        person: Person | Client,
        method: str,
        path: str,
        *,
        at: dict[str, str] | None = None,
        query: str = "",
        headers: dict[str, str] | None = None,
        without: str = "",
        **more: Any,
    ) -> Got:
        """Ask by the examples, but for what is said otherwise; `at` are ids in the path."""
        operation = self._operation(method, path)
        # Of two ids in a path the outer one is of something that is there.
        ids = (self._ids if path.count("{") > 1 else {}) | (at or {})
        url, own = request_of(self.reader, path, operation, ids)
        if "Idempotency-Key" in own:
            # One key for all would make each request another's conflict.
            self._asked += 1
            own["Idempotency-Key"] += f"-{self._asked}"
        own.pop(without, None)
        own |= handshake() if path == SOCKET_PATH else {}
        options = {"json": (self.reader.body_examples(operation) or [None])[0]} | more
        return await person.call(method, url + query, headers=own | (headers or {}), **options)

    def check(self, method: str, path: str, status: int, got: Got) -> Any:
        """Compare an answer with what is announced for this status, claim it, and return it."""
        answered, answer, headers = got
        where = (method, path, status)
        assert answered == status, (where, answer)
        check_answer(self.reader, self._operation(method, path), *got)
        example = self.example(method, path, status)
        if headers.get("content-type") == PROBLEM:
            assert [answer[name] for name in SAME] == [example[name] for name in SAME], where
            assert answer.keys() == example.keys(), where
        if isinstance(example, dict):
            schema = self._content(method, path, status)["schema"]
            same_shape(self.reader, answer, example, schema, f"{method} {path} {status}")
        elif isinstance(example, str):
            same_text(answer.decode(), example)
        self._claims.taken.add(where)
        return answer

    async def expect(
        self, person: Person | Client, method: str, path: str, status: int, **more: Any
    ) -> Any:
        """Ask, and compare the answer with what is announced for this status."""
        return self.check(method, path, status, await self.ask(person, method, path, **more))

    def _operation(self, method: str, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.document["paths"][path][method.lower()]
        return found

    def _content(self, method: str, path: str, status: int) -> dict[str, Any]:
        response = self.reader.follow(self._operation(method, path)["responses"][str(status)])
        found: dict[str, Any]
        (found,) = response.get("content", {"": {}}).values()
        return found


def same_shape(
    reader: Reader,
    answer: Any,
    example: Any,
    schema: dict[str, Any],
    where: str,
    *,
    is_entry: bool = False,
) -> None:
    """The same kinds of values under the same names, at every level.

    A name may be missing where the schema does not require it; where `additionalProperties` is all
    that it says, the names are anybody's. Lists are empty both or neither, and
    each entry is like one of the example's; there alone, what the example has may be null.
    """
    schema = reader.follow(schema)
    if is_entry and _is_null_allowed(schema) and (answer is None or example is None):
        return
    assert type(answer) is type(example), (where, answer, example)
    if isinstance(example, dict):
        known = schema.get("properties", {})
        if "additionalProperties" in schema and not known:
            return
        optional = known.keys() - set(schema.get("required", ()))
        assert (answer.keys() ^ example.keys()) <= optional, (where, answer)
        for name in answer.keys() & example.keys():
            inner = known.get(name, {})
            place = f"{where}.{name}"
            same_shape(reader, answer[name], example[name], inner, place, is_entry=is_entry)
    elif isinstance(example, list):
        assert bool(answer) == bool(example), (where, answer)
        for number, entry in enumerate(answer):
            _like_one(reader, entry, example, schema.get("items", {}), f"{where}.{number}")


def _is_null_allowed(schema: dict[str, Any]) -> bool:
    return "null" in schema.get("type", ())


def _like_one(
    reader: Reader, entry: Any, examples: list[Any], schema: dict[str, Any], where: str
) -> None:
    complaints = []
    for example in examples:
        try:
            return same_shape(reader, entry, example, schema, where, is_entry=True)
        except AssertionError as error:
            complaints.append(error)
    raise AssertionError(complaints)


def same_text(answer: str, example: str) -> None:
    """The same kind of picture, or an event of the same name with the same members."""
    if example.startswith("<"):
        assert "<svg " in answer
        assert example.startswith("<svg ")
        return
    (told, data), (shown, wanted) = _event(answer), _event(example)
    assert told == shown
    assert data.keys() == wanted.keys()


def _event(text: str) -> tuple[list[str], dict[str, Any]]:
    """The lines of a stream up to its first event, numbers apart, and that event's data."""
    lines = [line for line in text.splitlines() if line]
    at = next(number for number, line in enumerate(lines) if line.startswith("data: "))
    data: dict[str, Any] = json.loads(lines[at].removeprefix("data: "))
    return [re.sub("[0-9]+", "N", line) for line in lines[:at]], data


def handshake() -> dict[str, str]:
    """What a client sends that wants a WebSocket (RFC 6455, section 4.1)."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }


async def document_of(client: Client) -> dict[str, Any]:
    """The document as the oracle serves it."""
    _, document, _ = await client.call("GET", "/openapi.json")
    found: dict[str, Any] = document
    return found
