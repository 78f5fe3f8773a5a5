"""What the server answers before any route is a problem document too, and in its turn or not."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from oracle_support import ANYWHERE, Client, announcements, served, settings_for
from test_oracle_edge import raw

from oracle_api.unread import MAX_HEAD_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

VALIDATE = b"POST /api/v1/payments/validate HTTP/1.1\r\nhost: x\r\n"
SOCKET = (
    b"GET /api/v1/orders/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
)
KEY = b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n"
PADDING = b"padding: " + b"x" * MAX_HEAD_BYTES + b"\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lonely() -> AsyncIterator[Client]:
    async with served(settings_for(ANYWHERE)) as client:
        yield client


async def answer(client: Client, *sent: bytes) -> tuple[int, Any, dict[str, str]]:
    """Status, problem and headers of the one answer."""
    head, _, body = (await raw(client, *sent)).partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    return int(line.split()[1]), json.loads(body) if body else None, headers


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "request_malformed"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "request_malformed"),
        (VALIDATE + b"content-length: +2\r\n\r\n{}", 400, "request_malformed"),
        (VALIDATE + b"transfer-encoding: chunked\r\n\r\nx\r\n", 400, "request_malformed"),
        (VALIDATE + PADDING + b"\r\n", 431, "head_too_large"),
        (b"GET /healthz HTTP/1.1\r\n" + PADDING, 431, "head_too_large"),
        (SOCKET + b"\r\n", 400, "request_malformed"),
        (SOCKET + KEY.replace(b"13", b"9") + b"\r\n", 400, "request_malformed"),
        (SOCKET.replace(b"GET", b"POST") + KEY + b"\r\n", 405, "method_not_allowed"),
        (SOCKET + KEY + b"x: 1\r\n" * 200 + b"\r\n", 431, "head_too_large"),
        (SOCKET + KEY + b"cookie: " + b"x" * 9000 + b"\r\n\r\n", 431, "head_too_large"),
        (SOCKET.replace(b"/ws", b"/ws?" + b"x" * 9000) + KEY + b"\r\n", 431, "head_too_large"),
    ],
    ids=lambda value: value[:60] if isinstance(value, bytes) else value,
)
async def test_it_is_a_problem_document_as_any_other(
    lonely: Client, sent: bytes, status: int, code: str
) -> None:
    got, problem, headers = await answer(lonely, sent)
    assert (got, problem["code"], problem["status"]) == (status, code, status)
    reader = announcements()
    schema = {"$ref": "#/components/schemas/Problem"}
    reader.validator(schema).validate(problem)
    assert problem["retryable"] is False
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["x-request-id"] == problem["requestId"]
    assert re.fullmatch(r"req_[0-9a-f]{20}", problem["requestId"])
    assert headers["billcoin-version"]
    assert headers["date"]
    assert headers["x-content-type-options"] == "nosniff"
    # US-004 has its three fields in every answer.
    is_validate = sent.startswith(b"POST /api/v1/payments/validate")
    assert (problem.get("valid"), problem.get("error")) == (
        (False, code) if is_validate else (None, None)
    )


async def test_a_harmless_request_id_is_kept(lonely: Client) -> None:
    mine = b"X-Request-Id: till-3.42\r\n"
    for sent in (
        b"GET / HTTP/1.1\r\n" + mine + b"host: x\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + mine + PADDING + b"\r\n",
        SOCKET + mine + b"\r\n",
    ):
        _, problem, _ = await answer(lonely, sent)
        assert problem["requestId"] == "till-3.42"


async def test_who_asks_for_the_head_alone_gets_no_more(lonely: Client) -> None:
    status, problem, headers = await answer(
        lonely, b"HEAD /healthz HTTP/1.1\r\n" + PADDING + b"\r\n"
    )
    assert (status, problem) == (431, None)
    assert int(headers["content-length"]) > 0


async def test_it_comes_neither_before_an_earlier_answer_nor_within_it(lonely: Client) -> None:
    good = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    # The first has no answer yet, which a client would take ours for.
    assert b" 400 " not in await raw(lonely, good + b"no request\r\n\r\n")
