"""Keep-alive HTTP requests at the cost of a socket, so that the server is measured."""

import asyncio
import time
from urllib.parse import urlsplit

_HEAD_END = b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP gives
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request under way."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        """Complete the answer when head and body are there."""
        self._buffer += data
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.index(b"content-length:") + len(b"content-length:")
        length = int(head[at:].split(b"\r\n", 1)[0])
        body_start = end + len(_HEAD_END)
        if len(self._buffer) < body_start + length or self._answer is None:
            return
        status = int(head[9:12])
        body = self._buffer[body_start : body_start + length]
        self._buffer = self._buffer[body_start + length :]
        self._answer.set_result((status, body))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a whole request and give the answer's status and body."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer


async def open_connection(base_url: str) -> Connection:
    """Connect to a server."""
    host, port = host_and_port(base_url)
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    return connection


def host_and_port(base_url: str) -> tuple[str, int]:
    """Where a URL of ours points, which always names both."""
    url = urlsplit(base_url)
    if url.hostname is None or url.port is None:
        raise ValueError(f"{base_url} names no host and port")
    return url.hostname, url.port


def request(method: str, base_url: str, path: str, body: bytes = b"") -> bytes:
    """A whole HTTP/1.1 request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(base_url).netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def closed_loop(
    connections: list[Connection], requests: list[bytes], *, seconds: float
) -> float:
    """Each connection sends its next request as soon as it is answered; answers a second.

    Raises:
        RuntimeError: an answer was not 200.
    """
    begin = time.perf_counter()
    answered = 0

    async def client(index: int, connection: Connection) -> None:
        nonlocal answered
        request = requests[index % len(requests)]
        while time.perf_counter() - begin < seconds:
            status, body = await connection.send(request)
            if status != 200:  # noqa: PLR2004 - HTTP's own number
                raise RuntimeError(f"the server answered {status}: {body[:200]!r}")
            answered += 1

    async with asyncio.TaskGroup() as tasks:
        for index, connection in enumerate(connections):
            tasks.create_task(client(index, connection))
    return answered / (time.perf_counter() - begin)


async def open_loop(
    connections: list[Connection], requests: list[bytes], *, seconds: float
) -> list[float]:
    """Each connection sends one request a second at its own fixed instants.

    Latency counts from the planned instant, so that a server that stalls cannot hide it. Gives
    the latencies in seconds.

    Raises:
        RuntimeError: an answer was not 200.
    """
    latencies: list[float] = []
    begin = time.perf_counter() + 0.5

    async def till(index: int, connection: Connection) -> None:
        for tick in range(int(seconds)):
            planned = begin + tick + index / len(connections)
            await asyncio.sleep(planned - time.perf_counter())
            status, body = await connection.send(requests[index % len(requests)])
            latencies.append(time.perf_counter() - planned)
            if status != 200:  # noqa: PLR2004 - HTTP's own number
                raise RuntimeError(f"the server answered {status}: {body[:200]!r}")

    async with asyncio.TaskGroup() as tasks:
        for index, connection in enumerate(connections):
            tasks.create_task(till(index, connection))
    return latencies
