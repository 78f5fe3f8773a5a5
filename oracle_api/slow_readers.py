"""Ends connections whose client does not read what waits for it, so that it cannot pile up."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

STALL_SECONDS = 30.0
"""How long a client may take for the next `MIN_TAKEN_BYTES` while more than that waits."""

MIN_TAKEN_BYTES = 16 * 1024
"""Less in that time is as good as nothing: the slowest phone network is faster."""

SWEEP_SECONDS = 5.0

log = structlog.get_logger()


class Connection(Protocol):
    """What is asked of a connection of the server."""

    transport: Any

    @property
    def is_write_paused(self) -> bool:
        """Whether so much waits for its client that nothing more is written."""


@dataclass(frozen=True, slots=True)
class _Held:
    """How much waited for a client when it was last seen to read, and when that was."""

    waiting_bytes: int
    since: float


class SlowReaders:
    """Looks at connections now and then; what waits for a client may only become less meanwhile."""

    def __init__(self) -> None:
        self.cut_off_count = 0
        self._held: dict[Connection, _Held] = {}

    async def watch(self, connections: Iterable[Any]) -> None:
        """Sweep for ever; `connections` is the server's own set, which changes meanwhile."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(tuple(connections), now=loop.time())

    def sweep(self, connections: Iterable[Connection], *, now: float) -> None:
        """End whoever has taken next to nothing for too long; `now` in seconds of any clock."""
        before, self._held = self._held, {}
        for connection in connections:
            transport = connection.transport
            if not (connection.is_write_paused or transport.is_closing()):
                continue
            waiting_bytes = transport.get_write_buffer_size()
            held = before.get(connection)
            if held is None or held.waiting_bytes - waiting_bytes >= MIN_TAKEN_BYTES:
                held = _Held(waiting_bytes, now)
            if waiting_bytes and now - held.since >= STALL_SECONDS:
                self.cut_off_count += 1
                log.info("a connection was cut off: its client does not read", bytes=waiting_bytes)
                transport.abort()
            else:
                self._held[connection] = held
