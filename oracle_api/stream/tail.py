"""The journal's newest events, each written out once for all clients."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import orjson

from ledger.audience import EVERYTHING, Audience
from ledger.ids import event_id
from ledger.store.journal import JournalEvent
from oracle_api.stream.form import Form, Message, Written
from oracle_api.times import rfc3339


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive events; each form is written when the first client wants it, for all others.

    `places` says for each store and each account which of the events are about its orders, so
    that a stream finds its own without looking at those of others.
    """

    first_seq: int
    last_seq: int
    messages: Sequence[Message]
    places: Mapping[Audience, Sequence[int]] = field(default_factory=dict)
    _written: dict[tuple[str, Audience], Written] = field(default_factory=dict)

    def concerns(self, audience: Audience) -> bool:
        """Whether anything in here is for this audience."""
        return audience == EVERYTHING or audience in self.places

    def after(self, seq: int, form: Form, audience: Audience = EVERYTHING) -> bytes:
        """What follows event number `seq`; all of it in the usual case, without a copy."""
        places: Sequence[int] = range(len(self.messages))
        if audience != EVERYTHING:
            own = self.places.get(audience, ())
            if len(own) == len(places):
                audience = EVERYTHING  # so that it is not written once more
            places = own
        known = bisect_right(places, seq - self.first_seq)
        if known == len(places):
            return b""
        written = self._written.get((form.name, audience))
        if written is None:
            written = form.write_whole([self.messages[at] for at in places])
            self._written[form.name, audience] = written
        return written.after(known)


class Tail:
    """The newest events, at most about `max_events`; grows at the end, forgets at the start."""

    def __init__(self, last_seq: int, *, max_events: int) -> None:
        self.last_seq = last_seq
        self._max_events = max_events
        self._chunks: list[Chunk] = []

    def append(self, events: Sequence[JournalEvent]) -> None:
        """Add the events that follow; the numbers of the journal have no gaps."""
        chunk = make_chunk(events)
        self._chunks.append(chunk)
        self.last_seq = chunk.last_seq
        while len(self._chunks) > 1 and self.last_seq - self._chunks[0].last_seq > self._max_events:
            del self._chunks[0]

    def reaches_back_to(self, seq: int) -> bool:
        """Whether everything that follows event number `seq` is still here."""
        first = self._chunks[0].first_seq if self._chunks else self.last_seq + 1
        return seq >= first - 1

    def after(self, seq: int, form: Form, audience: Audience = EVERYTHING) -> tuple[bytes, int]:
        """The next events after number `seq` for this audience, and up to where that is all.

        Nothing and `seq` itself when there are none; nothing and a greater number when what
        follows is about the orders of others. The caller has asked `reaches_back_to`.
        """
        if seq >= self.last_seq:
            return b"", seq
        newest = self._chunks[-1]
        if seq < newest.first_seq - 1:
            newest = self._chunks[bisect_right(self._chunks, seq, key=attrgetter("last_seq"))]
        return newest.after(seq, form, audience), newest.last_seq

    def concerns(self, audience: Audience) -> bool:
        """Whether the newest chunk has anything for this audience."""
        return bool(self._chunks) and self._chunks[-1].concerns(audience)


def make_chunk(events: Sequence[JournalEvent]) -> Chunk:
    """Events, at least one, as clients are told them."""
    places: defaultdict[Audience, list[int]] = defaultdict(list)
    for place, event in enumerate(events):
        if event.store_id is not None:
            places[Audience(store_id=event.store_id)].append(place)
        if event.account_id is not None:
            places[Audience(account_id=event.account_id)].append(place)
    messages = [message_of(event) for event in events]
    return Chunk(events[0].seq, events[-1].seq, messages, dict(places))


def message_of(event: JournalEvent) -> Message:
    """One event as clients are told it."""
    document = {
        "id": event_id(event.seq),
        "type": event.type,
        "createdAt": rfc3339(event.created_at),
        "data": event.data,
    }
    return Message(event.type, orjson.dumps(document), event.seq)
