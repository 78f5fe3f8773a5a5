"""The journal of events: numbered without gaps, and visible in the order of their numbers."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ledger.journal import Event
from ledger.store.copy_format import JSONB_VERSION, copy_document, field
from ledger.store.copying import copy_rows
from ledger.store.pool import Connection

CHANNEL = "billcoin"

# The row stays locked until the transaction ends, so that numbers become visible in order.
TAKE_NUMBERS = "UPDATE journal SET last_seq = last_seq + $1 RETURNING last_seq"

_COLUMNS = ("seq", "created_at", "type", "order_id", "data")
_BEGIN = struct.Struct(">h iq iq")
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

# OFFSET 0 keeps the planner from joining all orders for the sake of a few events.
READ_AFTER = """
SELECT e.seq, e.type, e.order_id, e.data, e.created_at, o.store_id, o.account_id
FROM (
    SELECT seq, type, order_id, data, created_at FROM event WHERE seq > $1 ORDER BY seq LIMIT $2
) e
LEFT JOIN LATERAL (
    SELECT store_id, account_id FROM orders WHERE id = e.order_id OFFSET 0
) o ON true
ORDER BY e.seq
"""

LAST_SEQ = "SELECT last_seq FROM journal"

NOTIFY = "SELECT pg_notify($1, $2)"


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """An event as it stands in the journal, with whose order it is about."""

    seq: int
    type: str
    order_id: str
    data: dict[str, Any]
    created_at: datetime
    store_id: str | None = None
    account_id: str | None = None


async def append_events(
    connection: Connection, events: Sequence[Event], *, now: datetime
) -> list[int]:
    """Number and write `events`; call it late in a transaction, since it queues other writers.

    Returns their sequence numbers, in order.
    """
    if not events:
        return []
    last = await connection.fetchval(TAKE_NUMBERS, len(events))
    numbers = list(range(last - len(events) + 1, last + 1))
    await copy_rows(connection, "event", _COLUMNS, copy_document(_rows(events, numbers, now)))
    return numbers


def _rows(events: Sequence[Event], numbers: Sequence[int], now: datetime) -> bytes:
    created_at = (now - _POSTGRES_EPOCH) // timedelta(microseconds=1)
    rows: list[bytes] = []
    for number, event in zip(numbers, events, strict=True):
        rows += (
            _BEGIN.pack(len(_COLUMNS), 8, number, 8, created_at),
            field(event.type.encode()),
            field(event.order_id.encode()),
            field(JSONB_VERSION + orjson.dumps(event.data)),
        )
    return b"".join(rows)


async def notify(connection: Connection, *, tip_number: int | None, last_seq: int | None) -> None:
    """Wake the oracles when this transaction commits; what changed they read themselves."""
    payload = orjson.dumps({"tip": tip_number, "seq": last_seq}).decode()
    await connection.execute(NOTIFY, CHANNEL, payload)


async def read_events_after(connection: Connection, seq: int, *, limit: int) -> list[JournalEvent]:
    """At most `limit` events that follow number `seq`, in order."""
    return [JournalEvent(*row) for row in await connection.fetch(READ_AFTER, seq, limit)]


async def read_last_seq(connection: Connection) -> int:
    """The number of the newest visible event; 0 in an empty journal."""
    last_seq: int = await connection.fetchval(LAST_SEQ)
    return last_seq
