"""The log of deliveries as partners read it, and what they may ask for again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.store.pool import Connection
from ledger.store.webhook_deliveries import DELIVERY_ID, VISIBLE, Attempt

INSERT_PING = """
INSERT INTO webhook_delivery (
    id, endpoint_id, event_type, status, attempt_count, series, step, next_attempt_at, created_at
) VALUES ($1, $2, $3, 'pending', 0, 0, 0, $4, $4)
"""

ENDPOINT = """
SELECT e.id, e.account_id, e.event_types, 'admin' = ANY(a.roles) AS sees_all
FROM webhook_endpoint e JOIN account a ON a.id = e.account_id
WHERE e.id = $1
"""

_COLUMNS = """
SELECT id, position, endpoint_id, event_seq, event_type, status, attempt_count, step,
       next_attempt_at, created_at, finished_at
FROM webhook_delivery
"""

READ = _COLUMNS + "WHERE endpoint_id = $1 AND id = $2"

LIST = f"""
{_COLUMNS}
WHERE endpoint_id = $1 AND ($2::text IS NULL OR status = $2)
    AND ($3::text IS NULL OR position < (
        SELECT position FROM webhook_delivery WHERE endpoint_id = $1 AND id = $3
    ))
ORDER BY position DESC LIMIT $4
"""  # noqa: S608 - put together from our own constants

ATTEMPTS = """
SELECT delivery_id, number, began_at, duration_ms, status_code, error FROM webhook_attempt
WHERE delivery_id = ANY($1::text[]) ORDER BY delivery_id, number
"""

REDELIVER = """
UPDATE webhook_delivery
SET status = 'pending', series = series + 1, step = 0, next_attempt_at = $3, finished_at = NULL
WHERE endpoint_id = $1 AND id = $2
"""

CREATED_AT = "SELECT created_at FROM event WHERE seq = $1"

# One more than the limit, which tells that it is passed.
COUNT_VISIBLE = f"""
SELECT count(*) FROM (
    SELECT FROM ({ENDPOINT}) e
    JOIN event v ON v.seq BETWEEN $2 AND $3
    JOIN orders o ON o.id = v.order_id
    WHERE {VISIBLE}
    LIMIT $4 + 1
) found
"""  # noqa: S608 - put together from our own constants

REPLAY = f"""
INSERT INTO webhook_delivery AS d (
    id, endpoint_id, event_seq, event_type, status, attempt_count, series, step, next_attempt_at,
    created_at
)
SELECT {DELIVERY_ID}, e.id, v.seq, v.type, 'pending', 0, 0, 0, $4, $4
FROM ({ENDPOINT}) e
JOIN event v ON v.seq BETWEEN $2 AND $3
JOIN orders o ON o.id = v.order_id
WHERE {VISIBLE}
ORDER BY v.seq
ON CONFLICT (endpoint_id, event_seq) DO UPDATE
SET status = 'pending', series = d.series + 1, step = 0, next_attempt_at = $4, finished_at = NULL
"""  # noqa: S608 - put together from our own constants

FORGET = """
DELETE FROM webhook_delivery WHERE id IN (
    SELECT id FROM webhook_delivery WHERE created_at < $1 LIMIT $2
)
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it stands: `pending`, `delivered` or `failed`."""

    id: str
    position: int
    endpoint_id: str
    event_seq: int | None
    event_type: str
    status: str
    attempt_count: int
    step: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


async def insert_ping(
    connection: Connection, delivery_id: str, *, endpoint_id: str, event_type: str, now: datetime
) -> None:
    """Write a delivery that has no event behind it."""
    await connection.execute(INSERT_PING, delivery_id, endpoint_id, event_type, now)


async def read_delivery(
    connection: Connection, endpoint_id: str, delivery_id: str
) -> Delivery | None:
    """One delivery of this endpoint, or None."""
    row = await connection.fetchrow(READ, endpoint_id, delivery_id)
    return None if row is None else Delivery(*row)


async def list_deliveries(
    connection: Connection,
    endpoint_id: str,
    *,
    status: str | None,
    before_id: str | None,
    limit: int,
) -> list[Delivery]:
    """An endpoint's deliveries, newest first."""
    rows = await connection.fetch(LIST, endpoint_id, status, before_id, limit)
    return [Delivery(*row) for row in rows]


async def list_attempts(connection: Connection, delivery_ids: Sequence[str]) -> list[Attempt]:
    """The attempts of these deliveries, in their order."""
    return [Attempt(*row) for row in await connection.fetch(ATTEMPTS, list(delivery_ids))]


async def redeliver(
    connection: Connection, endpoint_id: str, delivery_id: str, *, now: datetime
) -> None:
    """Begin a new series of attempts at once."""
    await connection.execute(REDELIVER, endpoint_id, delivery_id, now)


async def find_first_seq(connection: Connection, moment: datetime, *, last_seq: int) -> int:
    """The number of the first event since a moment; one more than `last_seq` when there is none.

    By bisection: events are numbered without gaps and nearly in the order of their times, and an
    index over the times of a journal would cost each block more than a replay is worth.
    """
    low, high = 1, last_seq + 1
    while low < high:
        middle = (low + high) // 2
        created_at = await connection.fetchval(CREATED_AT, middle)
        if created_at is not None and created_at < moment:
            low = middle + 1
        else:
            high = middle
    return low


async def count_replayable(
    connection: Connection, endpoint_id: str, *, first_seq: int, last_seq: int, limit: int
) -> int:
    """How many events of a range an endpoint may see; beyond `limit` it stops counting."""
    count: int = await connection.fetchval(COUNT_VISIBLE, endpoint_id, first_seq, last_seq, limit)
    return count


async def replay(
    connection: Connection, endpoint_id: str, *, first_seq: int, last_seq: int, now: datetime
) -> None:
    """Deliver the events of a range, whether or not they were before."""
    await connection.execute(REPLAY, endpoint_id, first_seq, last_seq, now)


async def forget_deliveries_before(connection: Connection, moment: datetime, *, limit: int) -> int:
    """Delete deliveries that were made before a moment, so many at most; returns how many."""
    return int((await connection.execute(FORGET, moment, limit)).split()[-1])
