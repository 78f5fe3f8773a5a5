"""What one client is told: a snapshot or what it missed, then every event, whatever carries it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qs

import structlog

from ledger.store.journal import read_events_after, read_last_seq
from oracle_api.access.audience import audience_of
from oracle_api.access.principal import Principal
from oracle_api.database import Database
from oracle_api.problems import UnavailableError
from oracle_api.request import DirectRequest
from oracle_api.stream.form import Form, Message
from oracle_api.stream.hub import Hub
from oracle_api.stream.shares import Shares, client_of
from oracle_api.stream.snapshot import Snapshots
from oracle_api.stream.subscriber import Ending, Subscriber
from oracle_api.stream.tail import make_chunk
from oracle_api.times import Clock

PAGE_EVENTS = 500
START_TIMEOUT_SECONDS = 3.0
MAX_STREAM_SECONDS = 900.0
"""As long as an access token lives: whatever was revoked meanwhile is noticed when the client
comes back."""

_MAX_SEQ_DIGITS = 18
# An event and no comment: a page is not told of comments, and could not tell a stream that is
# silent from one that is dead. Without an id, since nothing has happened.
_HEARTBEAT = Message("heartbeat", b"{}")

log = structlog.get_logger()

SendPart = Callable[[bytes], Awaitable[None]]


class Feeds:
    """Opens feeds; the events are written once, each feed only sends them."""

    def __init__(self, database: Database, hub: Hub, snapshots: Snapshots, clock: Clock) -> None:
        self.database = database
        self.hub = hub
        self.snapshots = snapshots
        self._clock = clock
        self._shares = Shares(hub.limits.streams_per_client)

    @contextlib.asynccontextmanager
    async def open(self, request: DirectRequest, form: Form) -> AsyncIterator["Feed"]:
        """A feed for this client; one that reads too slowly is cut off and leaves the block.

        Raises:
            UnavailableError: `too_many_streams`, or the journal cannot be read.
        """
        # A browser gives up for good when refused, so we do not refuse while we are starting.
        await self.hub.until_started(timeout_seconds=START_TIMEOUT_SECONDS)
        with self._shares.hold(client_of(request.principal)) as has_room:
            if not has_room:
                most = self.hub.limits.streams_per_client
                raise UnavailableError("too_many_streams", f"you have {most} streams open already")
            subscriber = self.hub.subscribe(audience_of(request.principal))
            timer = self._end_with_credentials(subscriber, request.principal)
            try:
                yield Feed(self, subscriber, form)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not subscriber.is_cut_off or task is None:
                    raise
                task.uncancel()
            finally:
                self.hub.unsubscribe(subscriber)
                if timer is not None:
                    timer.cancel()
                if subscriber.is_cut_off:
                    # Closing politely would wait for the client to read the rest.
                    request.abort()
                    log.info("a stream was cut off: its client reads too slowly")

    def _end_with_credentials(
        self, subscriber: Subscriber, principal: Principal
    ) -> asyncio.TimerHandle | None:
        """Close the feed when its credentials would have to be shown again.

        Its client comes back with its last id and misses nothing; one that may not, does not.
        """
        if principal.expires_at is None:
            return None
        left_seconds = min(max(principal.expires_at - self._clock(), 0), MAX_STREAM_SECONDS)
        loop = asyncio.get_running_loop()
        return loop.call_later(left_seconds, subscriber.close, Ending.CREDENTIALS_EXPIRED)


class Feed:
    """One client's way through the journal."""

    def __init__(self, feeds: Feeds, subscriber: Subscriber, form: Form) -> None:
        self._feeds = feeds
        self._hub = feeds.hub
        self._form = form
        self.subscriber = subscriber

    async def opening(self, request: DirectRequest) -> bytes:
        """What the client is sent first; sets where its feed goes on.

        Raises:
            UnavailableError: the database is away or not ready.
        """
        told = _last_event_id(request)
        if told is not None:
            if reason := await self._reason_to_resync(told):
                return await self._resync(reason)
            self.subscriber.seq = int(told)
            return b""
        return self._form.write([await self._snapshot()])

    async def run(self, send: SendPart, first: bytes) -> None:
        """Send what there is until the client, or we, have had enough."""
        subscriber = self.subscriber
        try:
            if first:
                await self._send(send, first)
            while not subscriber.is_closed:
                if part := await self._next():
                    await self._send(send, part)
                elif subscriber.is_heartbeat_due:
                    await self._send(send, self._form.write([_HEARTBEAT]))
                else:
                    await subscriber.woken()
        except UnavailableError as error:
            # Ended in the middle of a replay: the client comes back with its last id.
            log.warning("a stream's replay failed", code=error.code)
            subscriber.close(Ending.UNAVAILABLE)

    async def _send(self, send: SendPart, part: bytes) -> None:
        await send(part)
        self.subscriber.sent()

    async def _next(self) -> bytes:
        """The next events for this client: shared from memory, or else out of the journal."""
        tail, subscriber = self._hub.tail, self.subscriber
        if tail is None:
            return b""
        if subscriber.must_resync:
            return await self._resync("journal_lost")
        audience = subscriber.audience
        while not tail.reaches_back_to(subscriber.seq):
            async with self._feeds.database.reading() as connection:
                events = await read_events_after(connection, subscriber.seq, limit=PAGE_EVENTS)
            if not events:
                return b""
            chunk = make_chunk(events)
            part, subscriber.seq = chunk.after(0, self._form, audience), chunk.last_seq
            if part:
                return part
        while subscriber.seq < tail.last_seq:
            part, subscriber.seq = tail.after(subscriber.seq, self._form, audience)
            if part:
                return part
        return b""

    async def _resync(self, reason: str) -> bytes:
        self.subscriber.must_resync = False
        message = Message("resync", b'{"reason":"%b"}' % reason.encode())
        return self._form.write([message, await self._snapshot()])

    async def _snapshot(self) -> Message:
        snapshot = await self._feeds.snapshots.take(self.subscriber.audience)
        self.subscriber.seq = snapshot.seq
        return snapshot.message

    async def _reason_to_resync(self, told: str) -> str | None:
        if not (told.isascii() and told.isdigit() and len(told) <= _MAX_SEQ_DIGITS):
            return "unknown_id"
        seq, tail = int(told), self._hub.tail
        if tail is not None and seq <= tail.last_seq and tail.reaches_back_to(seq):
            return None
        async with self._feeds.database.reading() as connection:
            last_seq = await read_last_seq(connection)
        if seq > last_seq:
            return "future_id"
        return "too_old" if last_seq - seq > self._hub.limits.replay_events else None


def _last_event_id(request: DirectRequest) -> str | None:
    """Where the client was: its header, which a browser sends when it reconnects by itself."""
    for name, value in request.headers:
        if name == b"last-event-id":
            return value.decode("latin-1")
    values = parse_qs(request.query.decode("latin-1"), max_num_fields=8, keep_blank_values=True)
    return values["lastEventId"][0] if "lastEventId" in values else None
