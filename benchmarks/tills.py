"""Tills that listen, as cheaply as sockets allow, so that the oracle is measured and not they."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

from benchmarks.http_load import host_and_port
from devnet.ports import LOOPBACK

_PAID = b"event: order.paid\n"


class _Till(asyncio.Protocol):
    """One open event stream; counts "Paid" without reading more, since 200 of us share a core."""

    def __init__(self, request: bytes, tills: "Tills") -> None:
        self._request = request
        self._tills = tills
        self._end = b""
        self.awaited = 0
        self.is_open = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP gives
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        if not self.is_open.is_set():
            self._open(data)
            return
        # The words may come in two pieces.
        paid = data.count(_PAID) + (self._end + data[: len(_PAID) - 1]).count(_PAID)
        self._end = (self._end + data)[1 - len(_PAID) :]
        if paid:
            self.awaited -= paid
            self._tills.sample = data
            if not self.awaited:
                self._tills.done(at)

    def _open(self, data: bytes) -> None:
        """Wait for the end of the first message, be it the snapshot or how to reconnect."""
        self._end = (self._end + data)[-2:]
        if self._end == b"\n\n" or data.endswith(b"\n\n\r\n"):
            self._end = b""
            self.is_open.set()


class Tills:
    """So many tills on one oracle's stream, which begin with a snapshot or behind an event."""

    def __init__(self, oracle_url: str, count: int, *, since: int | None = None) -> None:
        self._resume = "" if since is None else f"?lastEventId={since}"
        self._host, self._port = host_and_port(oracle_url)
        self._count = count
        self._tills: list[_Till] = []
        self._told_at: list[float] = []
        self._all_told: asyncio.Future[list[float]] | None = None
        self.sample = b""

    @property
    def last_message(self) -> bytes:
        """One "Paid" as it was read last, for writing as many bytes without an oracle."""
        begin = self.sample.rindex(_PAID)
        return self.sample[begin:].split(b"\n\n")[0] + b"\n\n"

    async def __aenter__(self) -> Self:
        """Connect them all and wait until each has got its snapshot."""
        request = (
            f"GET /api/v1/orders/stream{self._resume} HTTP/1.1\r\n"
            f"Host: {self._host}:{self._port}\r\nAccept: text/event-stream\r\n\r\n"
        ).encode()
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, till = await loop.create_connection(
                lambda: _Till(request, self), self._host, self._port
            )
            self._tills.append(till)
            await asyncio.wait_for(till.is_open.wait(), 30)
        return self

    async def __aexit__(self, *_: object) -> None:
        for till in self._tills:
            till.transport.close()

    def expect(self, payments: int) -> "asyncio.Future[list[float]]":
        """A future of when each till had read "Paid" so many times, once for each order."""
        self._all_told = asyncio.get_running_loop().create_future()
        self._told_at = []
        for till in self._tills:
            till.awaited = payments
        return self._all_told

    def done(self, at: float) -> None:
        """A till has read everything that it waited for."""
        self._told_at.append(at)
        if len(self._told_at) == self._count and self._all_told is not None:
            self._all_told.set_result(self._told_at)


class _Source(asyncio.Protocol):
    def __init__(self, accepted: list[asyncio.Transport]) -> None:
        self._accepted = accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP gives
        self._accepted.append(transport)


class _Round:
    """Counts the bytes that are still to arrive."""

    def __init__(self) -> None:
        self.missing = 0
        self.done = asyncio.Event()

    def received(self, length: int) -> None:
        self.missing -= length
        if self.missing == 0:
            self.done.set()


class _Sink(asyncio.Protocol):
    def __init__(self, counter: _Round) -> None:
        self._counter = counter

    def data_received(self, data: bytes) -> None:
        self._counter.received(len(data))


@asynccontextmanager
async def bare_fan_out(count: int) -> AsyncIterator[Callable[[bytes], Awaitable[float]]]:
    """The floor of pushing: write the same bytes to `count` bare loopback sockets, and read them.

    Yields a function that does it once and gives the seconds it took.
    """
    loop = asyncio.get_running_loop()
    accepted: list[asyncio.Transport] = []
    counter = _Round()
    server = await loop.create_server(lambda: _Source(accepted), LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    clients = [
        (await loop.create_connection(lambda: _Sink(counter), LOOPBACK, port))[0]
        for _ in range(count)
    ]

    async def once(message: bytes) -> float:
        counter.missing = len(message) * count
        counter.done.clear()
        started = time.perf_counter()
        for transport in accepted:
            transport.write(message)
        await asyncio.wait_for(counter.done.wait(), 30)
        return time.perf_counter() - started

    try:
        yield once
    finally:
        for client in clients:
            client.close()
        server.close()
