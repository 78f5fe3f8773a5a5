"""Tills that listen, as cheaply as sockets allow, so that the oracle is measured and not they."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

from benchmarks.http_load import host_and_port
from devnet.ports import LOOPBACK

_PAID = b"event: order.paid\n"
_ID = b"\nid: "
_END = b"\n\n"


class _Till(asyncio.Protocol):
    """One open event stream; reads only how far it has come, since 200 of us share a core."""

    def __init__(self, request: bytes, tills: "Tills") -> None:
        self._request = request
        self._tills = tills
        self._rest = b""
        self._arrivals: list[tuple[int, float]] = []
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
        data = self._rest + data
        end = data.rfind(_END) + len(_END)
        if end < len(_END):
            self._rest = data
            return
        self._rest = data[end:]
        if (last_id := _id_before(data, end)) is not None:
            self._arrivals.append((last_id, at))
            self._tills.received(self, data[:end] if self._tills.is_witness(self) else b"")

    def forget(self) -> None:
        """Begin to note anew how far the stream has come."""
        self._arrivals.clear()

    def reached_at(self, event: int) -> float | None:
        """When the event with this number had been read whole."""
        return next((at for last_id, at in self._arrivals if last_id >= event), None)

    def _open(self, data: bytes) -> None:
        """Wait for the end of the first message, be it the snapshot or how to reconnect."""
        self._rest = (self._rest + data)[-len(_END) :]
        if self._rest == _END or data.endswith(_END + b"\r\n"):
            self._rest = b""
            self.is_open.set()


class Tills:
    """So many tills on one oracle's stream, which begin with a snapshot or behind an event.

    The first one, the witness, counts every "Paid"; where its last one stands in the journal the
    others have to come as well, which is read off the number of the last event that arrived.
    """

    def __init__(self, oracle_url: str, count: int, *, since: int | None = None) -> None:
        self._resume = "" if since is None else f"?lastEventId={since}"
        self._host, self._port = host_and_port(oracle_url)
        self._count = count
        self._tills: list[_Till] = []
        self._untold: set[_Till] = set()
        self._told_at: list[float] = []
        self._awaited = 0
        self._last_paid: int | None = None
        self._all_told: asyncio.Future[list[float]] | None = None
        self._sample = b""

    @property
    def last_message(self) -> bytes:
        """One "Paid" as it was read last, for writing as many bytes without an oracle."""
        begin = self._sample.rindex(_PAID)
        return self._sample[begin:].split(_END)[0] + _END

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
        self._awaited, self._last_paid, self._told_at = payments, None, []
        self._untold = set(self._tills)
        for till in self._tills:
            till.forget()
        return self._all_told

    def is_witness(self, till: _Till) -> bool:
        """Whether this till reads what it is told."""
        return till is self._tills[0]

    def received(self, till: _Till, messages: bytes) -> None:
        """A till has come further; the witness gives what it has read."""
        if paid := messages.count(_PAID):
            self._sample = messages
            self._awaited -= paid
            if self._awaited == 0:
                self._last_paid = _id_before(messages, messages.find(_END, messages.rfind(_PAID)))
                for other in tuple(self._untold):
                    self._note(other)
        self._note(till)

    def _note(self, till: _Till) -> None:
        if self._last_paid is None or till not in self._untold:
            return
        at = till.reached_at(self._last_paid)
        if at is not None:
            self._untold.discard(till)
            self._told_at.append(at)
            if not self._untold and self._all_told is not None:
                self._all_told.set_result(self._told_at)


def _id_before(data: bytes, end: int) -> int | None:
    """The number of the last event that begins before `end`; None if none does."""
    begin = data.rfind(_ID, 0, end) + len(_ID)
    return None if begin < len(_ID) else int(data[begin : data.index(b"\n", begin)])


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
