"""One open stream: how far it has got, and how it is woken."""

import asyncio
from enum import StrEnum

from ledger.audience import Audience


class Ending(StrEnum):
    """Why a stream ends."""

    GOING_AWAY = "going_away"
    CLIENT_GONE = "client_gone"
    CLIENT_SPOKE = "client_spoke"
    CREDENTIALS_EXPIRED = "credentials_expired"
    CUT_OFF = "cut_off"
    UNAVAILABLE = "unavailable"


class Subscriber:
    """A stream's place in the journal; the events themselves are shared, so it holds none."""

    __slots__ = (
        "_heartbeat_seconds",
        "_loop",
        "_task",
        "_waiter",
        "audience",
        "ending",
        "is_heartbeat_due",
        "must_resync",
        "sent_at",
        "seq",
    )

    def __init__(self, seq: int, *, audience: Audience, heartbeat_seconds: float) -> None:
        self.audience = audience
        """Whose orders this client is told of."""
        self.seq = seq
        """Up to where this client was sent everything that is for it."""
        self.ending: Ending | None = None
        self.is_heartbeat_due = False
        self.must_resync = False
        """What this client was told is no longer what the journal says."""
        self._heartbeat_seconds = heartbeat_seconds
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._waiter: asyncio.Future[None] | None = None
        self.sent_at = self._loop.time()

    @property
    def is_closed(self) -> bool:
        """Whether the stream is to end."""
        return self.ending is not None

    @property
    def is_cut_off(self) -> bool:
        """Whether it ends in the middle of a send."""
        return self.ending is Ending.CUT_OFF

    def wake(self) -> None:
        """Let the stream look for something to send."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def woken(self) -> None:
        """Wait until there may be something to do."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def sent(self) -> None:
        """Note that something was just sent."""
        self.sent_at = self._loop.time()
        self.is_heartbeat_due = False

    def beat_if_due(self, now: float) -> None:
        """Ask for a heartbeat when nothing was sent for long enough."""
        if now - self.sent_at >= self._heartbeat_seconds:
            self.is_heartbeat_due = True
            self.wake()

    def close(self, ending: Ending = Ending.GOING_AWAY) -> None:
        """Let the stream end; the first reason is the one."""
        if self.ending is None:
            self.ending = ending
        self.wake()

    def cut_off(self) -> None:
        """End the stream now: its client reads too slowly, and may be stuck in a send."""
        if self.is_cut_off:
            return
        self.ending = Ending.CUT_OFF
        if self._waiter is None and self._task is not None:
            self._task.cancel()
        else:
            self.wake()
