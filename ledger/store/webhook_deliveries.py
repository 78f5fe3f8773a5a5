"""Deliveries on their way: from the journal to the endpoints, each tried until it is done."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledger.store.pool import Connection

# An account that was disabled, or is no partner any more, gets nothing from that moment on. `$1`
# is the account that everybody has while access is open; it counts as disabled otherwise.
_ACTIVE = """
webhook_endpoint e JOIN account a ON a.id = e.account_id AND e.enabled
    AND (a.disabled_at IS NULL OR a.id = $1) AND a.roles && ARRAY['admin', 'partner']
"""

# The order's account decides, and an admin sees all of them.
VISIBLE = """
(e.sees_all OR o.account_id = e.account_id)
    AND (e.event_types = '{}' OR v.type = ANY(e.event_types))
"""

# The id follows from endpoint and event: whoever writes it a second time writes the same.
DELIVERY_ID = "'whd_' || substr(e.id, 5) || '_' || lpad(to_hex(v.seq), 16, '0')"

# An endpoint's row stays locked, so that no event is passed over and none is written twice.
FAN_OUT = f"""
WITH e AS MATERIALIZED (
    SELECT e.id, e.account_id, e.event_types, e.cursor, 'admin' = ANY(a.roles) AS sees_all,
           least(j.last_seq, e.cursor + $3) AS reached
    FROM {_ACTIVE} CROSS JOIN journal j
    WHERE e.cursor < j.last_seq
    ORDER BY e.cursor, e.id LIMIT $4
    FOR UPDATE OF e SKIP LOCKED
), written AS (
    INSERT INTO webhook_delivery (
        id, endpoint_id, event_seq, event_type, status, attempt_count, series, step,
        next_attempt_at, created_at
    )
    SELECT {DELIVERY_ID}, e.id, v.seq, v.type, 'pending', 0, 0, 0, $2, $2
    FROM e
    JOIN event v ON v.seq > e.cursor AND v.seq <= e.reached
    JOIN orders o ON o.id = v.order_id
    WHERE {VISIBLE}
    ORDER BY v.seq
    ON CONFLICT DO NOTHING
), moved AS (
    UPDATE webhook_endpoint m SET cursor = e.reached FROM e WHERE m.id = e.id
)
SELECT count(*) FROM e
"""  # noqa: S608 - put together from our own constants

ENDPOINTS_DUE = f"""
SELECT e.id FROM {_ACTIVE}
WHERE NOT e.id = ANY($3::text[]) AND EXISTS (
    SELECT FROM webhook_delivery d
    WHERE d.endpoint_id = e.id AND d.status = 'pending' AND d.next_attempt_at <= $2
)
LIMIT $4
"""  # noqa: S608 - put together from our own constants

NEXT_DUE = f"""
SELECT min(d.next_attempt_at) FROM {_ACTIVE} JOIN webhook_delivery d ON d.endpoint_id = e.id
WHERE d.status = 'pending' AND d.next_attempt_at > $2
"""  # noqa: S608 - put together from our own constants

OLDEST_DUE = f"""
SELECT min(d.next_attempt_at) FROM {_ACTIVE} JOIN webhook_delivery d ON d.endpoint_id = e.id
WHERE d.status = 'pending' AND d.attempt_count = 0 AND d.next_attempt_at <= $2
"""  # noqa: S608 - put together from our own constants

IS_ACTIVE = f"SELECT true FROM {_ACTIVE} WHERE e.id = $2"  # noqa: S608 - our own constant

READ_DUE = """
SELECT d.id, d.event_seq, d.event_type, d.attempt_count, d.series, d.step,
       d.created_at, v.data, v.created_at
FROM webhook_delivery d LEFT JOIN event v ON v.seq = d.event_seq
WHERE d.endpoint_id = $1 AND d.status = 'pending' AND d.next_attempt_at <= $2
    AND NOT d.id = ANY($3::text[])
ORDER BY d.next_attempt_at, d.position LIMIT $4
"""

# Compared with what was read: of two processes that believe it theirs, one writes. And one that
# was asked for again while this attempt was under way stays due.
RECORD = """
UPDATE webhook_delivery
SET attempt_count = $2 + 1,
    step = CASE WHEN series = $3 THEN step + 1 ELSE step END,
    status = CASE WHEN series = $3 THEN $4 ELSE status END,
    next_attempt_at = CASE WHEN series = $3 THEN $5::timestamptz ELSE next_attempt_at END,
    finished_at = CASE WHEN series = $3 THEN $6::timestamptz END
WHERE id = $1 AND attempt_count = $2
RETURNING id
"""

INSERT_ATTEMPT = """
INSERT INTO webhook_attempt (delivery_id, number, began_at, duration_ms, status_code, error)
VALUES ($1, $2, $3, $4, $5, $6)
"""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery to be attempted now; a ping has no event behind it."""

    id: str
    event_seq: int | None
    event_type: str
    attempt_count: int
    series: int
    step: int
    created_at: datetime
    data: dict[str, Any] | None
    event_created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt met with: a status, or an error that kept one away."""

    delivery_id: str
    number: int
    began_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Reach:
    """Of whose endpoints one speaks, and when: `open_account` is empty unless access is open."""

    open_account: str
    now: datetime


async def fan_out(
    connection: Connection, reach: Reach, *, events_limit: int, endpoints_limit: int
) -> int:
    """Write deliveries for the next events of endpoints that are behind; returns how many were."""
    count: int = await connection.fetchval(
        FAN_OUT, reach.open_account, reach.now, events_limit, endpoints_limit
    )
    return count


async def find_endpoints_due(
    connection: Connection, reach: Reach, *, but_not: Collection[str], limit: int
) -> list[str]:
    """Endpoints that have a delivery to be attempted now."""
    rows = await connection.fetch(
        ENDPOINTS_DUE, reach.open_account, reach.now, list(but_not), limit
    )
    return [row["id"] for row in rows]


async def find_next_due(connection: Connection, reach: Reach) -> datetime | None:
    """When the next attempt after this moment is due."""
    moment: datetime | None = await connection.fetchval(NEXT_DUE, reach.open_account, reach.now)
    return moment


async def find_oldest_unattempted(connection: Connection, reach: Reach) -> datetime | None:
    """Since when the oldest delivery waits that is due and has never been attempted."""
    moment: datetime | None = await connection.fetchval(OLDEST_DUE, reach.open_account, reach.now)
    return moment


async def is_active(connection: Connection, open_account: str, endpoint_id: str) -> bool:
    """Whether an endpoint is there, enabled, and its account may have events."""
    return await connection.fetchval(IS_ACTIVE, open_account, endpoint_id) is not None


async def read_due(
    connection: Connection,
    endpoint_id: str,
    *,
    now: datetime,
    but_not: Collection[str],
    limit: int,
) -> list[DueDelivery]:
    """Deliveries of an endpoint to be attempted now, the longest due first."""
    rows = await connection.fetch(READ_DUE, endpoint_id, now, list(but_not), limit)
    return [DueDelivery(*row) for row in rows]


async def record_attempt(
    connection: Connection,
    attempt: Attempt,
    *,
    series: int,
    status: str,
    next_attempt_at: datetime | None,
    finished_at: datetime | None,
) -> bool:
    """Write down an attempt and what follows; False when the delivery is gone or was attempted."""
    before = attempt.number - 1
    row = await connection.fetchval(
        RECORD, attempt.delivery_id, before, series, status, next_attempt_at, finished_at
    )
    if row is None:
        return False
    await connection.execute(
        INSERT_ATTEMPT,
        attempt.delivery_id,
        attempt.number,
        attempt.began_at,
        attempt.duration_ms,
        attempt.status_code,
        attempt.error,
    )
    return True
