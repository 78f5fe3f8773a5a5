"""API keys, by their SHA-256."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.store.pool import Connection

LOCK_ACCOUNT = "SELECT pg_advisory_xact_lock(hashtextextended('api keys ' || $1, 0))"

INSERT = """
INSERT INTO api_key (
    id, account_id, name, digest, ending, scopes, is_test, created_at, expires_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

_COLUMNS = """
SELECT id, account_id, name, ending, scopes, is_test, created_at, expires_at, revoked_at,
       last_used_at
FROM api_key
"""

LIST = (
    _COLUMNS + "WHERE account_id = $1 AND ($2::text IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
)
READ = _COLUMNS + "WHERE account_id = $1 AND id = $2"

READ_GOOD = """
SELECT k.id, k.scopes, k.is_test, k.expires_at, k.last_used_at,
       a.id AS account_id, a.roles, a.store_id
FROM api_key k JOIN account a ON a.id = k.account_id
WHERE k.digest = $1 AND k.revoked_at IS NULL AND k.expires_at > $2 AND a.disabled_at IS NULL
"""

# Not at every use: a row that is written a thousand times a second tells no more.
TOUCH = """
UPDATE api_key SET last_used_at = $2
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $3)
"""
LAST_USED_PRECISION = timedelta(minutes=1)

REVOKE = """
UPDATE api_key SET revoked_at = coalesce(revoked_at, $3) WHERE account_id = $1 AND id = $2
"""
COUNT_GOOD = """
SELECT count(*) FROM api_key WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > $2
"""


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key to be written; `digest` is the SHA-256 of it, `ending` its last characters."""

    id: str
    account_id: str
    name: str
    digest: bytes
    ending: str
    scopes: Collection[str]
    is_test: bool
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredApiKey:
    """A key as lists show it."""

    id: str
    account_id: str
    name: str
    ending: str
    scopes: Sequence[str]
    is_test: bool
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class GoodApiKey:
    """A key that may be used, with its account."""

    id: str
    scopes: Sequence[str]
    is_test: bool
    expires_at: datetime
    last_used_at: datetime | None
    account_id: str
    roles: Sequence[str]
    store_id: str | None


async def insert_api_key(connection: Connection, key: NewApiKey) -> None:
    """Write a new key."""
    await connection.execute(
        INSERT,
        key.id,
        key.account_id,
        key.name,
        key.digest,
        key.ending,
        sorted(key.scopes),
        key.is_test,
        key.created_at,
        key.expires_at,
    )


async def list_api_keys(
    connection: Connection, account_id: str, *, before_id: str | None = None, limit: int
) -> list[StoredApiKey]:
    """An account's keys, the newest first, revoked ones too, continuing before `before_id`."""
    rows = await connection.fetch(LIST, account_id, before_id, limit)
    return [StoredApiKey(**row) for row in rows]


async def read_api_key(connection: Connection, account_id: str, key_id: str) -> StoredApiKey | None:
    """One of an account's keys, or None."""
    row = await connection.fetchrow(READ, account_id, key_id)
    return None if row is None else StoredApiKey(**row)


async def count_good_api_keys(connection: Connection, account_id: str, *, now: datetime) -> int:
    """How many keys of an account can be used; until the transaction ends nobody adds one."""
    await connection.execute(LOCK_ACCOUNT, account_id)
    count: int = await connection.fetchval(COUNT_GOOD, account_id, now)
    return count


async def read_good_api_key(
    connection: Connection, digest: bytes, *, now: datetime
) -> GoodApiKey | None:
    """The key with that digest, if it and its account may be used; notes that it was.

    Both in one statement's snapshot, so that a key cannot outlive its account's disabling.
    """
    row = await connection.fetchrow(READ_GOOD, digest, now)
    if row is None:
        return None
    good = GoodApiKey(**row)
    before = now - LAST_USED_PRECISION
    if good.last_used_at is None or good.last_used_at < before:
        await connection.execute(TOUCH, good.id, now, before)
    return good


async def revoke_api_key(
    connection: Connection, account_id: str, key_id: str, *, now: datetime
) -> None:
    """End a key, if the account has it; the first end counts."""
    await connection.execute(REVOKE, account_id, key_id, now)
