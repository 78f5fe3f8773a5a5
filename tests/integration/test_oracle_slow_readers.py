"""Clients that stop reading, or send a byte now and then, against an oracle that serves others."""

import asyncio
import base64
import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest
from oracle_support import ANYWHERE, Client, Ledger, served, settings_for, until
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from oracle_api import server as server_module
from oracle_api import slow_readers
from oracle_api.stream.listener import PAGE_EVENTS

STREAM = "/api/v1/orders/stream"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
)
HEADS = {
    "events": f"GET {STREAM} HTTP/1.1\r\nHost: x\r\n\r\n",
    "socket": f"GET /api/v1/orders/ws HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n",
}
SLEEPERS = 5
FLOOD = 2_000
PADDING = 4_000
MAX_PART_BYTES = PAGE_EVENTS * (PADDING + 1_000)
MAX_WAITING_BYTES = HIGH_WATER_LIMIT + MAX_PART_BYTES
"""What the server holds for a client at most: it stops above the mark, one part later."""


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps come quickly, and cut nobody off before a test says so."""
    monkeypatch.setattr(slow_readers, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(slow_readers, "STALL_SECONDS", 3600.0)


@contextlib.asynccontextmanager
async def sleeper(client: Client, head: str) -> AsyncIterator[socket.socket]:
    """A client that asks and never reads, with the smallest buffer that the system gives."""
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        opened.setblocking(False)  # noqa: FBT003 - as it is called
        host, port = client.base.removeprefix("http://").split(":")
        loop = asyncio.get_running_loop()
        await loop.sock_connect(opened, (host, int(port)))
        await loop.sock_sendall(opened, head.encode())
        yield opened


def waiting_bytes(client: Client, opened: socket.socket) -> int:
    """What the server holds for this client in its own memory."""
    ours = opened.getsockname()
    for connection in client.server.server_state.connections:
        transport = connection.transport
        if transport.get_extra_info("peername") == ours:
            return int(transport.get_write_buffer_size())
    return 0


async def flood(ledger: Ledger, order_id: str) -> None:
    """Many large events: more than any socket buffer holds, and yet nobody is too far behind."""
    await ledger.connection.execute(
        """
        WITH taken AS (UPDATE journal SET last_seq = last_seq + $3 RETURNING last_seq)
        INSERT INTO event (seq, type, order_id, data, created_at)
        SELECT last_seq - $3 + number, 'order.updated', $1, $2, now()
        FROM taken, generate_series(1, $3) AS number
        """,
        order_id,
        {"status": "awaiting_payment", "padding": "x" * PADDING},
        FLOOD,
    )
    await ledger.connection.execute("SELECT pg_notify('billcoin', '')")


async def until_reset(opened: socket.socket) -> None:
    """Read what the system still has of it, until the connection is found to be gone."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionResetError):
            while await loop.sock_recv(opened, 1 << 20):
                pass


@pytest.mark.parametrize("kind", HEADS)
async def test_who_stops_reading_costs_little_is_cut_off_and_holds_up_nobody(
    ledger: Ledger, client: Client, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await client.order()
    async with contextlib.AsyncExitStack() as opened, client.stream() as reader:
        await reader.next()
        sleepers = [
            await opened.enter_async_context(sleeper(client, HEADS[kind])) for _ in range(SLEEPERS)
        ]
        await until(lambda: client.oracle.hub.stream_count == SLEEPERS + 1)
        held = []
        for _ in range(2):
            # Everybody else is told everything while the sleepers are still there.
            await flood(ledger, order["id"])
            told = await reader.take(FLOOD)
            assert told[-1].id == told[0].id + FLOOD - 1
            assert client.oracle.hub.stream_count == SLEEPERS + 1
            held.append([waiting_bytes(client, one) for one in sleepers])
        # However much they leave unread: no more than one part waits behind the mark.
        assert all(0 < waiting <= MAX_WAITING_BYTES for waiting in held[0])
        assert held[1] == held[0]
        monkeypatch.setattr(slow_readers, "STALL_SECONDS", 0.2)
        await until(lambda: client.oracle.hub.stream_count == 1)
        for one in sleepers:
            await until_reset(one)
        await flood(ledger, order["id"])
        assert len(await reader.take(FLOOD)) == FLOOD
    _, text, _ = await client.call("GET", "/metrics")
    assert f"billcoin_connections_cut_off_total {SLEEPERS}.0".encode() in text


async def test_a_page_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stream at all: many answers at once to somebody without an account."""
    request = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    async with served(settings_for(ANYWHERE)) as client:
        _, _, headers = await client.call("GET", "/openapi.json")
        most = HIGH_WATER_LIMIT + int(headers["content-length"]) + 1_000
        async with sleeper(client, request * 40) as opened:
            await until(lambda: waiting_bytes(client, opened) > HIGH_WATER_LIMIT)
            assert waiting_bytes(client, opened) <= most
            assert (await client.call("GET", "/healthz"))[0] == 200
            monkeypatch.setattr(slow_readers, "STALL_SECONDS", 0.2)
            await until(lambda: client.oracle.slow_readers.cut_off_count == 1)
            await until_reset(opened)


async def test_who_pings_and_never_reads_fills_no_memory(ledger: Ledger, client: Client) -> None:
    """Each ping asks for a pong, which no flow control holds back."""
    loop = asyncio.get_running_loop()
    order = await client.order()
    mask = os.urandom(4)
    ping = b"\x89\xfd" + mask + bytes(one ^ mask[at % 4] for at, one in enumerate(b"x" * 125))
    async with sleeper(client, HEADS["socket"]) as opened:
        await until(lambda: client.oracle.hub.stream_count == 1)
        await flood(ledger, order["id"])
        await until(lambda: waiting_bytes(client, opened) > HIGH_WATER_LIMIT)
        before = waiting_bytes(client, opened)
        async with asyncio.timeout(20):
            await loop.sock_sendall(opened, ping * 50_000)
        assert (await client.call("GET", "/healthz"))[0] == 200
        assert waiting_bytes(client, opened) <= before
        assert client.oracle.hub.stream_count == 1


async def drip(client: Client, start: bytes, byte: bytes) -> bytes:
    """A start, then a byte ever so often, for as long as the other side listens; what it said."""
    loop = asyncio.get_running_loop()
    host, port = client.base.removeprefix("http://").split(":")
    with socket.socket() as opened:
        opened.setblocking(False)  # noqa: FBT003 - as it is called
        await loop.sock_connect(opened, (host, int(port)))
        answer = asyncio.create_task(read_to_end(opened))
        await loop.sock_sendall(opened, start)
        async with asyncio.timeout(20):
            while not answer.done():
                with contextlib.suppress(ConnectionError):
                    await loop.sock_sendall(opened, byte)
                await asyncio.sleep(0.02)
            return await answer


async def read_to_end(opened: socket.socket) -> bytes:
    """All that comes; a byte that crossed the answer makes its end a reset."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while part := await asyncio.get_running_loop().sock_recv(opened, 65_536):
            said += part
    return said


WHOLE = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nidempotency-key: k\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


DRIPS = {
    "header": (b"GET /healthz HTTP/1.1\r\nx: ", b"a", b""),
    "headers": (b"GET /healthz HTTP/1.1\r\n", b"a: b\r\n", b""),
    "target": (b"GET /", b"a", b""),
    # A connection that has been of use before has no more time than a new one.
    "again": (WHOLE + b"GET /healthz HTTP/1.1\r\nx: ", b"a", b"200"),
    "validate": (
        POST % b"/api/v1/payments/validate" + b"content-length: 9000\r\n\r\n",
        *(b" ", b"408"),
    ),
    "order": (POST % b"/api/v1/orders" + b"content-length: 9000\r\n\r\n", b" ", b"408"),
    "chunks": (POST % b"/api/v1/orders" + CHUNKED, b"1\r\n \r\n", b"408"),
    "trailer": (POST % b"/api/v1/orders" + CHUNKED + b"0\r\n", b"a: b\r\n", b"408"),
}


async def test_a_byte_now_and_then_buys_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow loris, in the head and in the body: the time is for all of it, not for each byte."""
    monkeypatch.setattr(server_module, "HEAD_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("oracle_api.request.BODY_TIMEOUT_SECONDS", 0.5)
    async with served(settings_for(ANYWHERE)) as client:
        drips = [drip(client, start, byte) for start, byte, _ in DRIPS.values()]
        said = dict(zip(DRIPS, await asyncio.gather(*drips), strict=True))
        assert (await client.call("GET", "/healthz"))[0] == 200
    # The status of what was answered, if anything was.
    assert {name: answer[9:12] for name, answer in said.items()} == {
        name: status for name, (_, _, status) in DRIPS.items()
    }
