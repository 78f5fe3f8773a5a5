"""`GET /api/v1/orders/stream`: server-sent events, from a snapshot or from where a client was."""

import asyncio
import contextlib
from collections.abc import Iterator
from urllib.parse import parse_qs

import structlog
from starlette.types import Receive, Send

from ledger.store.journal import read_events_after, read_last_seq
from oracle_api.access.audience import audience_of
from oracle_api.access.principal import Principal
from oracle_api.database import Database
from oracle_api.problems import Reply, UnavailableError, problem_of
from oracle_api.request import DirectRequest
from oracle_api.stream.hub import Hub
from oracle_api.stream.snapshot import Snapshots
from oracle_api.stream.subscriber import Subscriber
from oracle_api.stream.tail import write_chunk, write_message
from oracle_api.times import Clock

PATH = "/api/v1/orders/stream"
RETRY_MILLISECONDS = 1_000
PAGE_EVENTS = 500
START_TIMEOUT_SECONDS = 3.0
MAX_STREAM_SECONDS = 900.0
"""As long as an access token lives: whatever was revoked meanwhile is noticed when the client
comes back."""

_MAX_SEQ_DIGITS = 18
_RETRY = b"retry: %d\n\n" % RETRY_MILLISECONDS
# An event and no comment: a page is not told of comments, and could not tell a stream that is
# silent from one that is dead. Without an id, since nothing has happened.
_HEARTBEAT = write_message("heartbeat", b"{}")

log = structlog.get_logger()


class StreamEndpoint:
    """Serves event streams; the events are written once, each stream only sends them."""

    def __init__(self, database: Database, hub: Hub, snapshots: Snapshots, clock: Clock) -> None:
        self._database = database
        self._hub = hub
        self._snapshots = snapshots
        self._clock = clock

    async def __call__(self, request: DirectRequest, receive: Receive, send: Send) -> Reply | None:
        """Serve one stream until its client, or we, have had enough."""
        # A browser gives up for good when refused, so we do not refuse while we are starting.
        await self._hub.until_started(timeout_seconds=START_TIMEOUT_SECONDS)
        try:
            subscriber = self._hub.subscribe(audience_of(request.principal))
        except UnavailableError as error:
            return problem_of(error, request_id=request.id)
        try:
            try:
                opening = await self._opening(request, subscriber)
            except UnavailableError as error:
                return problem_of(error, request_id=request.id)
            await _send_start(send, request.id)
            await _send_part(send, subscriber, _RETRY + opening)
            with self._ended_in_time(subscriber, request.principal):
                await self._serve(subscriber, receive, send)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not subscriber.is_cut_off or task is None:
                raise
            task.uncancel()
        finally:
            self._hub.unsubscribe(subscriber)
        if subscriber.is_cut_off:
            log.info("a stream was cut off: its client reads too slowly", lastSent=subscriber.seq)
        return None

    @contextlib.contextmanager
    def _ended_in_time(self, subscriber: Subscriber, principal: Principal) -> Iterator[None]:
        """Close the stream when its credentials would have to be shown again.

        Its client comes back with its last id and misses nothing; one that may not, does not.
        """
        if principal.expires_at is None:
            yield
            return
        left = min(principal.expires_at - self._clock(), MAX_STREAM_SECONDS)
        timer = asyncio.get_running_loop().call_later(max(left, 0.0), subscriber.close)
        try:
            yield
        finally:
            timer.cancel()

    async def _opening(self, request: DirectRequest, subscriber: Subscriber) -> bytes:
        """What a client is sent first; sets where its stream goes on."""
        told = _last_event_id(request)
        if told is not None:
            if reason := await self._reason_to_resync(told):
                return await self._resync(subscriber, reason)
            subscriber.seq = int(told)
            return b""
        return await self._snapshot(subscriber)

    async def _resync(self, subscriber: Subscriber, reason: str) -> bytes:
        subscriber.must_resync = False
        message = write_message("resync", b'{"reason":"%b"}' % reason.encode())
        return message + await self._snapshot(subscriber)

    async def _snapshot(self, subscriber: Subscriber) -> bytes:
        snapshot = await self._snapshots.take(subscriber.audience)
        subscriber.seq = snapshot.seq
        return snapshot.message

    async def _reason_to_resync(self, told: str) -> str | None:
        if not (told.isascii() and told.isdigit() and len(told) <= _MAX_SEQ_DIGITS):
            return "unknown_id"
        seq, tail = int(told), self._hub.tail
        if tail is not None and seq <= tail.last_seq and tail.reaches_back_to(seq):
            return None
        async with self._database.reading() as connection:
            last_seq = await read_last_seq(connection)
        if seq > last_seq:
            return "future_id"
        return "too_old" if last_seq - seq > self._hub.limits.replay_events else None

    async def _serve(self, subscriber: Subscriber, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_until_gone(receive, subscriber))
        try:
            while not subscriber.is_closed:
                part = await self._next(subscriber)
                if part:
                    await _send_part(send, subscriber, part)
                elif subscriber.is_heartbeat_due:
                    await _send_part(send, subscriber, _HEARTBEAT)
                else:
                    await subscriber.woken()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except UnavailableError as error:
            # Ended in the middle of a replay: the client comes back with its last id.
            log.warning("a stream's replay failed", code=error.code)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    async def _next(self, subscriber: Subscriber) -> bytes:
        """The next events for this client: shared from memory, or else out of the journal."""
        tail = self._hub.tail
        if tail is None:
            return b""
        if subscriber.must_resync:
            return await self._resync(subscriber, "journal_lost")
        audience = subscriber.audience
        while not tail.reaches_back_to(subscriber.seq):
            async with self._database.reading() as connection:
                events = await read_events_after(connection, subscriber.seq, limit=PAGE_EVENTS)
            if not events:
                return b""
            chunk = write_chunk(events)
            subscriber.seq = chunk.last_seq
            if part := chunk.after(0, audience):
                return part
        while subscriber.seq < tail.last_seq:
            part, subscriber.seq = tail.after(subscriber.seq, audience)
            if part:
                return part
        return b""


async def _send_start(send: Send, request_id: str) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-accel-buffering", b"no"),  # a proxy must not collect events
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _send_part(send: Send, subscriber: Subscriber, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})
    subscriber.sent()


async def _until_gone(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.close()


def _last_event_id(request: DirectRequest) -> str | None:
    """Where the client was: its header, which a browser sends when it reconnects by itself."""
    for name, value in request.headers:
        if name == b"last-event-id":
            return value.decode("latin-1")
    values = parse_qs(request.query.decode("latin-1"), max_num_fields=8, keep_blank_values=True)
    return values["lastEventId"][0] if "lastEventId" in values else None
