"""Raises flags, counts on while they stand, and moves them through an admin's hands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from ledger.store.pool import Connection

STANDING = "standing"
ACKNOWLEDGED = "acknowledged"
CLEARED = "cleared"
STATUSES = (STANDING, ACKNOWLEDGED, CLEARED)

ALERT_AGAIN_AFTER = timedelta(minutes=15)
"""A flag that goes on being earned is told again only then."""

# An acknowledged flag counts on without another alert: somebody is looking at it.
RAISE = """
INSERT INTO flag AS f (id, subject, reason, status, failures, raised_at, last_seen_at)
VALUES ($1, $2, $3, 'standing', $4, $5, $5)
ON CONFLICT (subject, reason) WHERE status <> 'cleared' DO UPDATE SET
    failures = f.failures + excluded.failures,
    last_seen_at = excluded.last_seen_at
RETURNING *
"""

MARK_ALERTED = """
UPDATE flag SET alerted_at = $2 WHERE id = $1 AND status = 'standing'
    AND (alerted_at IS NULL OR alerted_at <= $3)
RETURNING id
"""

LIST = """
SELECT * FROM flag
WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""

READ = "SELECT * FROM flag WHERE id = $1"

ACKNOWLEDGE = """
UPDATE flag SET status = 'acknowledged', acknowledged_at = $2, acknowledged_by = $3
WHERE id = $1 AND status = 'standing' RETURNING *
"""

CLEAR = """
UPDATE flag SET status = 'cleared', cleared_at = $2, cleared_by = $3, note = $4
WHERE id = $1 AND status <> 'cleared' RETURNING *
"""


@dataclass(frozen=True, slots=True)
class Flag:
    """A reason to look at a caller: an account's id, or an address without one."""

    id: str
    subject: str
    reason: str
    status: str
    failures: int
    raised_at: datetime
    last_seen_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    cleared_at: datetime | None
    cleared_by: str | None
    note: str | None


async def raise_flag(
    connection: Connection, *, new_id: str, subject: str, reason: str, failures: int, now: datetime
) -> tuple[Flag, bool]:
    """Raise a flag or count on the one that stands; True when the operators are to be told."""
    row = await connection.fetchrow(RAISE, new_id, subject, reason, failures, now)
    if row is None:
        raise LookupError("a flag was neither raised nor found")
    told = await connection.fetchval(MARK_ALERTED, row["id"], now, now - ALERT_AGAIN_AFTER)
    return _flag(row), told is not None


async def list_flags(
    connection: Connection, *, status: str | None, before_id: str | None, limit: int
) -> Sequence[Flag]:
    """The newest flags first."""
    return [_flag(row) for row in await connection.fetch(LIST, status, before_id, limit)]


async def read_flag(connection: Connection, flag_id: str) -> Flag | None:
    """One flag."""
    row = await connection.fetchrow(READ, flag_id)
    return None if row is None else _flag(row)


async def acknowledge_flag(
    connection: Connection, flag_id: str, *, by: str, now: datetime
) -> Flag | None:
    """Say that somebody is looking; None when it does not stand."""
    row = await connection.fetchrow(ACKNOWLEDGE, flag_id, now, by)
    return None if row is None else _flag(row)


async def clear_flag(
    connection: Connection, flag_id: str, *, by: str, note: str | None, now: datetime
) -> Flag | None:
    """Close a flag, so that the next failures raise a new one; None when it was closed."""
    row = await connection.fetchrow(CLEAR, flag_id, now, by, note)
    return None if row is None else _flag(row)


def _flag(row: asyncpg.Record) -> Flag:
    return Flag(**{name: row[name] for name in Flag.__slots__})
