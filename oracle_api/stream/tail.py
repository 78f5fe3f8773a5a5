"""The journal's newest events, each written out once for all clients."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import orjson

from ledger.audience import EVERYTHING, Audience
from ledger.ids import event_id
from ledger.store.journal import JournalEvent
from oracle_api.times import rfc3339


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive events as a stream carries them; `ends` are the offsets behind each.

    `places` says for each store and each account which of the events are about its orders, so
    that a stream finds its own without looking at those of others.
    """

    first_seq: int
    last_seq: int
    body: bytes
    ends: tuple[int, ...]
    places: Mapping[Audience, Sequence[int]] = field(default_factory=dict)
    _shared: dict[Audience, bytes] = field(default_factory=dict)

    def concerns(self, audience: Audience) -> bool:
        """Whether anything in here is for this audience."""
        return audience == EVERYTHING or audience in self.places

    def after(self, seq: int, audience: Audience = EVERYTHING) -> bytes:
        """What follows event number `seq`; all of it in the usual case, without a copy."""
        places = None if audience == EVERYTHING else self.places.get(audience, ())
        if places is None or len(places) == len(self.ends):
            return self.body if seq < self.first_seq else self.body[self._end(seq) :]
        if seq >= self.first_seq:
            return self._joined([at for at in places if self.first_seq + at > seq])
        if audience not in self._shared:
            # Made once for all the tills of a store.
            self._shared[audience] = self._joined(places)
        return self._shared[audience]

    def _joined(self, places: Sequence[int]) -> bytes:
        return b"".join(self.body[self.ends[at - 1] if at else 0 : self.ends[at]] for at in places)

    def _end(self, seq: int) -> int:
        return self.ends[seq - self.first_seq]


class Tail:
    """The newest events, at most about `max_events`; grows at the end, forgets at the start."""

    def __init__(self, last_seq: int, *, max_events: int) -> None:
        self.last_seq = last_seq
        self._max_events = max_events
        self._chunks: list[Chunk] = []

    def append(self, events: Sequence[JournalEvent]) -> None:
        """Add the events that follow; the numbers of the journal have no gaps."""
        chunk = write_chunk(events)
        self._chunks.append(chunk)
        self.last_seq = chunk.last_seq
        while len(self._chunks) > 1 and self.last_seq - self._chunks[0].last_seq > self._max_events:
            del self._chunks[0]

    def reaches_back_to(self, seq: int) -> bool:
        """Whether everything that follows event number `seq` is still here."""
        first = self._chunks[0].first_seq if self._chunks else self.last_seq + 1
        return seq >= first - 1

    def after(self, seq: int, audience: Audience = EVERYTHING) -> tuple[bytes, int]:
        """The next events after number `seq` for this audience, and up to where that is all.

        Nothing and `seq` itself when there are none; nothing and a greater number when what
        follows is about the orders of others. The caller has asked `reaches_back_to`.
        """
        if seq >= self.last_seq:
            return b"", seq
        newest = self._chunks[-1]
        if seq < newest.first_seq - 1:
            newest = self._chunks[bisect_right(self._chunks, seq, key=attrgetter("last_seq"))]
        return newest.after(seq, audience), newest.last_seq

    def concerns(self, audience: Audience) -> bool:
        """Whether the newest chunk has anything for this audience."""
        return bool(self._chunks) and self._chunks[-1].concerns(audience)


def write_chunk(events: Iterable[JournalEvent]) -> Chunk:
    """Write events, at least one, as a stream carries them."""
    body, ends, numbers = bytearray(), [], []
    places: defaultdict[Audience, list[int]] = defaultdict(list)
    for place, event in enumerate(events):
        body += write_event(event)
        ends.append(len(body))
        numbers.append(event.seq)
        if event.store_id is not None:
            places[Audience(store_id=event.store_id)].append(place)
        if event.account_id is not None:
            places[Audience(account_id=event.account_id)].append(place)
    return Chunk(numbers[0], numbers[-1], bytes(body), tuple(ends), dict(places))


def write_event(event: JournalEvent) -> bytes:
    """One event as a stream carries it."""
    document = {
        "id": event_id(event.seq),
        "type": event.type,
        "createdAt": rfc3339(event.created_at),
        "data": event.data,
    }
    return write_message(event.type, orjson.dumps(document), seq=event.seq)


def write_message(name: str, data: bytes, *, seq: int | None = None) -> bytes:
    """A message of the event stream format; `data` holds no line break."""
    number = b"" if seq is None else b"id: %d\n" % seq
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), number, data)
