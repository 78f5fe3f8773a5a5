"""The journal's newest events, each written out once for all clients."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import orjson

from ledger.ids import event_id
from ledger.store.journal import JournalEvent
from oracle_api.times import rfc3339


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive events as a stream carries them; `ends` are the offsets behind each."""

    first_seq: int
    last_seq: int
    body: bytes
    ends: tuple[int, ...]

    def after(self, seq: int) -> bytes:
        """What follows event number `seq`; all of it in the usual case, without a copy."""
        if seq < self.first_seq:
            return self.body
        return self.body[self.ends[seq - self.first_seq] :]


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

    def after(self, seq: int) -> tuple[bytes, int]:
        """The next events after number `seq`, and the number of the last of them.

        Nothing and `seq` itself when there are none; the caller has asked `reaches_back_to`.
        """
        if seq >= self.last_seq:
            return b"", seq
        newest = self._chunks[-1]
        if seq < newest.first_seq - 1:
            newest = self._chunks[bisect_right(self._chunks, seq, key=attrgetter("last_seq"))]
        return newest.after(seq), newest.last_seq


def write_chunk(events: Iterable[JournalEvent]) -> Chunk:
    """Write events, at least one, as a stream carries them."""
    body, ends, numbers = bytearray(), [], []
    for event in events:
        body += write_event(event)
        ends.append(len(body))
        numbers.append(event.seq)
    return Chunk(numbers[0], numbers[-1], bytes(body), tuple(ends))


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
