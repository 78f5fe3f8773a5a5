"""Requests that no client sends, over a raw socket: smuggled, endless, half, or never read."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from oracle_support import ANYWHERE, Client, served, settings_for
from test_oracle_edge import raw

from oracle_api.request import MAX_BODY_BYTES
from oracle_api.unread import MAX_HEAD_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEAD = b"POST /api/v1/payments/validate HTTP/1.1\r\nhost: x\r\n"
HIDDEN = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"
"""What must never be answered as a request of its own."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lonely() -> AsyncIterator[Client]:
    async with served(settings_for(ANYWHERE)) as client:
        yield client


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


@pytest.mark.parametrize(
    "smuggled",
    [
        b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
        b"content-length: 0\r\ncontent-length: 30\r\n\r\n",
        b"content-length: 0, 30\r\n\r\n",
        b"content-length: -1\r\n\r\n",
        b"content-length: 1e1\r\n\r\n",
        b"content-length: 99999999999999999999999999\r\n\r\n",
        b"content-length : 0\r\n\r\n",
        b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: gzip\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n0x0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n2\r\n{}extra\r\n0\r\n\r\n",
        b"x: a\r\n content-length: 0\r\n\r\n",
        b"x: a\x00b\r\n\r\n",
        b"x: a\rcontent-length: 0\r\n\r\n",
        b"no colon\r\n\r\n",
    ],
)
async def test_what_two_parsers_could_read_differently_is_one_request_or_none(
    lonely: Client, smuggled: bytes
) -> None:
    """Whatever a proxy before us makes of it, what follows is not answered as a request."""
    answer = await raw(lonely, HEAD + smuggled + HIDDEN)
    assert b"billcoin_" not in answer
    assert statuses(answer) in ([], [400], [413])
    assert (await lonely.call("GET", "/healthz"))[0] == 200


async def test_a_chunked_body_is_read_to_its_end_and_no_further(lonely: Client) -> None:
    chunked = HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = await raw(lonely, chunked + last)
    assert statuses(answer) == [400, 200]
    assert b'"field_missing"' in answer


async def test_many_small_chunks_are_bounded_as_one_body_is(lonely: Client) -> None:
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    flood = [chunk] * (MAX_BODY_BYTES // 1024 + 1)
    answer = await raw(lonely, HEAD + b"transfer-encoding: chunked\r\n\r\n", *flood)
    assert statuses(answer) == [413]
    assert b"connection: close" in answer


async def test_what_follows_a_body_is_taken_for_no_header(lonely: Client) -> None:
    """A proxy may have looked at the headers alone."""
    trailer = b"0\r\nx-request-id: from-a-trailer\r\n\r\n"
    head = HEAD + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    for sent in ([head + b"2\r\n{}\r\n" + trailer], [head, b"2\r\n{}\r\n", trailer]):
        answer = await raw(lonely, *sent)
        assert statuses(answer) == [400]
        assert b"from-a-trailer" not in answer


@pytest.mark.parametrize("flood", [b"x: 1\r\n" * 10_000, b"x" * 60_000], ids=["lines", "line"])
async def test_what_follows_a_body_has_an_end(lonely: Client, flood: bytes) -> None:
    """It is cut off, long before the time for a body is over."""
    start = HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx: "
    assert statuses(await raw(lonely, start, *([flood] * 64))) == []
    assert (await lonely.call("GET", "/healthz"))[0] == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * (MAX_HEAD_BYTES * 2) + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"a" * (MAX_HEAD_BYTES * 2) + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"x: 1\r\n" * MAX_HEAD_BYTES + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\ncookie: " + b"a=b; " * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
    ids=["target", "header", "headers", "cookie"],
)
async def test_a_head_that_is_too_large_is_refused_whatever_makes_it_so(
    lonely: Client, head: bytes
) -> None:
    parts = [head[start : start + 8192] for start in range(0, len(head), 8192)]
    # Bit by bit, or all at once, so that its end has come when its size is seen.
    for sent in (parts, [head]):
        answer = await raw(lonely, *sent)
        assert statuses(answer) in ([], [431])
        assert (await lonely.call("GET", "/healthz"))[0] == 200


HANDSHAKE = (
    b" /api/v1/orders/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize(
    ("handshake", "status"),
    [
        (b"POST" + HANDSHAKE + b"content-length: 2\r\n\r\n{}", 400),
        (b"GET" + HANDSHAKE + b"content-length: 2\r\n\r\n{}", 400),
        (b"GET" + HANDSHAKE + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET" + HANDSHAKE + b"x: 1\r\n" * 200 + b"\r\n", 431),
        (b"GET" + HANDSHAKE + b"x: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET" + HANDSHAKE.replace(b"/ws", b"/ws?" + b"a" * 9000) + b"\r\n", 431),
    ],
    ids=["method", "body", "chunks", "headers", "header", "target"],
)
async def test_a_handshake_that_cannot_be_one_is_refused_at_once(
    lonely: Client, handshake: bytes, status: int
) -> None:
    """Nothing was ever answered, and the connection stayed open for as long as its client liked."""
    assert statuses(await raw(lonely, handshake)) == [status]


@pytest.mark.parametrize("names", [(b"x", b"evil.example"), (b"evil.example", b"x"), (b"x", b"x")])
async def test_a_request_has_one_host(lonely: Client, names: tuple[bytes, bytes]) -> None:
    """A proxy may have chosen by the other one where it goes and what it may do."""
    hosts = b"".join(b"host: " + name + b"\r\n" for name in names)
    answer = await raw(lonely, b"GET /healthz HTTP/1.1\r\n" + hosts + b"connection: close\r\n\r\n")
    assert statuses(answer) == [421]
    assert b'"host_unknown"' in answer


async def test_slow_clients_hold_up_nobody_else(lonely: Client) -> None:
    """Two hundred that have sent half a head or half a body, and one that asks."""
    host, port = lonely.base.removeprefix("http://").split(":")
    async with contextlib.AsyncExitStack() as slow:
        for number in range(200):
            _, writer = await asyncio.open_connection(host, int(port))
            slow.callback(writer.close)
            writer.write(HEAD if number % 2 else HEAD + b"content-length: 90\r\n\r\n{")
            await writer.drain()
        assert (await lonely.call("GET", "/healthz"))[0] == 200
        status, answer = await lonely.ask("nonsense")
        assert (status, answer["error"]) == (400, "tx_hash_invalid")
