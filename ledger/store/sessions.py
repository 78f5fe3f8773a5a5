"""Sessions and their refresh tokens, each used once; all by SHA-256."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ledger.store.pool import Connection

INSERT_SESSION = """
INSERT INTO session (id, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4)
"""
ADD_TO_SESSION = "INSERT INTO refresh_token (digest, session_id, issued_at) VALUES ($1, $2, $3)"

# Locks the session: two refreshes of one session come one after the other.
LOCK_WITH_SESSION = """
SELECT t.used_at, s.id AS session_id, s.account_id, s.expires_at, s.revoked_at
FROM refresh_token t JOIN session s ON s.id = t.session_id
WHERE t.digest = $1
FOR UPDATE OF s, t
"""
MARK_USED = "UPDATE refresh_token SET used_at = coalesce(used_at, $2) WHERE digest = $1"

REVOKE_SESSION = """
UPDATE session SET revoked_at = $2, revoked_reason = $3 WHERE id = $1 AND revoked_at IS NULL
"""
REVOKE_SESSIONS = """
UPDATE session SET revoked_at = $2, revoked_reason = $3
WHERE account_id = $1 AND revoked_at IS NULL
"""
# A session that is over tells nothing any more; its tokens go with it.
FORGET = "DELETE FROM session WHERE expires_at < $1"


@dataclass(frozen=True, slots=True)
class StoredRefreshToken:
    """A refresh token with its session, locked until the transaction ends."""

    used_at: datetime | None
    session_id: str
    account_id: str
    expires_at: datetime
    revoked_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Whether its session is open."""
        return self.revoked_at is None and now < self.expires_at


async def insert_session(
    connection: Connection,
    session_id: str,
    account_id: str,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Begin a session."""
    await connection.execute(INSERT_SESSION, session_id, account_id, now, expires_at)


async def insert_refresh_token(
    connection: Connection, digest: bytes, session_id: str, *, now: datetime
) -> None:
    """Add a token to a session."""
    await connection.execute(ADD_TO_SESSION, digest, session_id, now)


async def lock_refresh_token(connection: Connection, digest: bytes) -> StoredRefreshToken | None:
    """The token with its session, or None; others who want it wait."""
    row: asyncpg.Record | None = await connection.fetchrow(LOCK_WITH_SESSION, digest)
    return None if row is None else StoredRefreshToken(**row)


async def mark_used(connection: Connection, digest: bytes, *, now: datetime) -> None:
    """Note when a token was used first."""
    await connection.execute(MARK_USED, digest, now)


async def revoke_session(
    connection: Connection, session_id: str, *, reason: str, now: datetime
) -> None:
    """End a session: its refresh tokens are worth nothing from now on."""
    await connection.execute(REVOKE_SESSION, session_id, now, reason)


async def revoke_sessions(
    connection: Connection, account_id: str, *, reason: str, now: datetime
) -> None:
    """End all sessions of an account."""
    await connection.execute(REVOKE_SESSIONS, account_id, now, reason)


async def forget_sessions(connection: Connection, *, before: datetime) -> int:
    """Delete sessions that were over before then; returns how many."""
    status: str = await connection.execute(FORGET, before)
    return int(status.rsplit(maxsplit=1)[-1])
