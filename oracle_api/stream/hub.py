"""Wakes streams and waiting requests when the ledger has moved; in memory, one per process."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.audience import EVERYTHING, Audience
from ledger.store.journal import JournalEvent
from oracle_api.problems import UnavailableError
from oracle_api.stream.shares import Shares
from oracle_api.stream.subscriber import Subscriber
from oracle_api.stream.tail import Tail


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much the streams may take."""

    streams: int = 10_000
    streams_per_client: int = 100
    """How many one account may have open; a store's tills may share one."""
    waits_per_client: int = 200
    """How many requests of one account or, without one, of one address are held at a time."""
    tail_events: int = 16_384
    """How many events are kept in memory to be sent again."""
    lag_events: int = 16_384
    """How far a client may fall behind before it is cut off: its queue, in effect."""
    replay_events: int = 8_192
    """How far back a returning client is told everything; beyond, it gets a snapshot."""
    snapshot_orders: int = 1_000
    heartbeat_seconds: float = 15.0


class Hub:
    """Where the journal's reader meets the streams and the waiting requests."""

    def __init__(self, limits: StreamLimits) -> None:
        self.limits = limits
        self.tail: Tail | None = None
        self.change_count = 0
        """Grows with every change of the ledger: new tip, new events."""
        self.is_closing = False
        self.cut_off_count = 0
        self.waits = Shares(limits.waits_per_client)
        """Who may be held: what waits here is counted there."""
        self._subscribers: set[Subscriber] = set()
        self._change_waiters: set[asyncio.Future[None]] = set()
        self._order_waiters: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._opened_count = 0
        self._has_started = asyncio.Event()

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return len(self._subscribers)

    def start(self, last_seq: int) -> None:
        """Begin behind event number `last_seq`; whoever was told more has to be told anew."""
        self.tail = Tail(last_seq, max_events=self.limits.tail_events)
        for subscriber in self._subscribers:
            subscriber.must_resync = True
            subscriber.wake()
        self._has_started.set()

    async def until_started(self, *, timeout_seconds: float) -> bool:
        """Wait for the journal to be read for the first time; False when the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._has_started.wait()
        return self._has_started.is_set()

    def publish(self, events: Sequence[JournalEvent]) -> None:
        """Hand on the events that follow; costs next to nothing per stream."""
        if self.tail is None:
            raise RuntimeError("the hub has not started")
        # What comes now nobody can have read yet.
        readable_seq = self.tail.last_seq
        self.tail.append(events)
        for subscriber in self._subscribers:
            if subscriber.seq == readable_seq and not self.tail.concerns(subscriber.audience):
                # Nothing for it: of thousands of students a payment wakes one.
                subscriber.seq = self.tail.last_seq
            elif readable_seq - subscriber.seq > self.limits.lag_events:
                self.cut_off_count += not subscriber.is_cut_off
                subscriber.cut_off()
            else:
                subscriber.wake()
        for order_id in {event.order_id for event in events}:
            for waiter in self._order_waiters.get(order_id, ()):
                _resolve(waiter)

    def ledger_changed(self) -> None:
        """Tell whoever waits for the ledger to move."""
        self.change_count += 1
        waiters, self._change_waiters = self._change_waiters, set()
        for waiter in waiters:
            _resolve(waiter)

    async def change_after(self, count: int, *, timeout_seconds: float) -> bool:
        """Wait until `change_count` has passed `count`; False when the time is over first."""
        if self.is_closing or timeout_seconds <= 0:
            return False
        if self.change_count == count:
            waiter = asyncio.get_running_loop().create_future()
            self._change_waiters.add(waiter)
            try:
                await _resolved(waiter, timeout_seconds)
            finally:
                self._change_waiters.discard(waiter)
        return self.change_count != count and not self.is_closing

    @contextlib.contextmanager
    def watching(self, order_id: str) -> Iterator["OrderWatch"]:
        """Notice events about an order from now on; enter before reading the order."""
        watch = OrderWatch(self, self._order_waiters[order_id])
        try:
            yield watch
        finally:
            watch.close()
            if not self._order_waiters[order_id]:
                del self._order_waiters[order_id]

    def subscribe(self, audience: Audience = EVERYTHING) -> Subscriber:
        """Open a stream that will be woken from the newest event on that is for `audience`.

        Raises:
            UnavailableError: `too_many_streams`, or the journal has not been read yet.
        """
        if self.tail is None or self.is_closing:
            raise UnavailableError("database_unavailable", "the journal cannot be read yet")
        if len(self._subscribers) >= self.limits.streams:
            raise UnavailableError("too_many_streams", "this replica has no stream left")
        self._opened_count += 1
        # Staggered, so that thousands of heartbeats do not fall together.
        early = self._opened_count % 16 / 64
        subscriber = Subscriber(
            self.tail.last_seq,
            audience=audience,
            heartbeat_seconds=self.limits.heartbeat_seconds * (1 - early),
        )
        self._subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a stream."""
        self._subscribers.discard(subscriber)

    async def beat(self) -> None:
        """Keep silent streams alive, for ever."""
        interval = min(1.0, self.limits.heartbeat_seconds / 8)
        while True:
            await asyncio.sleep(interval)
            now = asyncio.get_running_loop().time()
            for subscriber in self._subscribers:
                subscriber.beat_if_due(now)

    def close(self) -> None:
        """End every stream and every wait."""
        self.is_closing = True
        for subscriber in self._subscribers:
            subscriber.close()
        for waiters in (self._change_waiters, *self._order_waiters.values()):
            for waiter in waiters:
                _resolve(waiter)


class OrderWatch:
    """Notices events about one order from its creation on."""

    def __init__(self, hub: Hub, waiters: set[asyncio.Future[None]]) -> None:
        self._hub = hub
        self._waiters = waiters
        self._waiter = self._new_waiter()

    async def change(self, *, timeout_seconds: float) -> bool:
        """Wait for an event since the last call; False when the time is over first."""
        if self._hub.is_closing or timeout_seconds <= 0:
            return False
        has_changed = await _resolved(self._waiter, timeout_seconds)
        if has_changed:
            self._waiters.discard(self._waiter)
            self._waiter = self._new_waiter()
        return has_changed and not self._hub.is_closing

    def close(self) -> None:
        """Stop noticing."""
        self._waiters.discard(self._waiter)

    def _new_waiter(self) -> asyncio.Future[None]:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        return waiter


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def _resolved(waiter: asyncio.Future[None], timeout_seconds: float) -> bool:
    done, _ = await asyncio.wait({waiter}, timeout=timeout_seconds)
    return bool(done)
