"""Accounts: made and changed by the office, read by whoever checks credentials."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ledger.store.pool import Connection

INSERT = """
INSERT INTO account (id, name, roles, store_id, password_hash, created_at, tokens_valid_from)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (name) DO NOTHING
RETURNING id
"""

_COLUMNS = """
SELECT id, name, roles, store_id, password_hash, created_at, disabled_at, tokens_valid_from
FROM account
"""

READ_BY_ID = _COLUMNS + "WHERE id = $1"
# Nobody changes the account before the transaction ends.
LOCK = READ_BY_ID + " FOR SHARE"
READ_BY_NAME = _COLUMNS + "WHERE name = $1"
LIST = (
    _COLUMNS + "WHERE ($1::text IS NULL OR id < $1) AND id <> 'acc_open' ORDER BY id DESC LIMIT $2"
)

# Tokens of before die with the change, so that a stolen session ends with it.
SET_ENABLED = """
UPDATE account
SET disabled_at = CASE WHEN $2 THEN NULL ELSE coalesce(disabled_at, $3) END,
    tokens_valid_from = $3
WHERE id = $1
"""
CHANGE_HASH = """
UPDATE account SET password_hash = $2, tokens_valid_from = $3 WHERE id = $1
"""
SET_ROLES = "UPDATE account SET roles = $2, store_id = $3 WHERE id = $1"
# Two admins that disable each other must not both find the other one left.
LOCK_ADMINS = "SELECT pg_advisory_xact_lock(hashtextextended('the last admin', 0))"
# Whoever cannot sign in is no help to an office that has shut itself out.
IS_LAST_ADMIN = """
SELECT count(*) = 1 AND bool_and(id = $1) FROM account
WHERE 'admin' = ANY (roles) AND disabled_at IS NULL AND password_hash IS NOT NULL
  AND id <> 'acc_open'
"""
# The same password under newer parameters: nobody has to sign in again.
RENEW_HASH = "UPDATE account SET password_hash = $3 WHERE id = $1 AND password_hash = $2"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be written; the name in lower case."""

    id: str
    name: str
    roles: Collection[str]
    store_id: str | None
    password_hash: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account as it stands; tokens issued before `tokens_valid_from` are dead."""

    id: str
    name: str
    roles: Sequence[str]
    store_id: str | None
    password_hash: str | None
    created_at: datetime
    disabled_at: datetime | None
    tokens_valid_from: datetime

    @property
    def is_enabled(self) -> bool:
        """Whether it may be used."""
        return self.disabled_at is None


async def insert_account(connection: Connection, account: NewAccount) -> bool:
    """Write a new account, unless its name is taken; whether it was written."""
    inserted = await connection.fetchval(
        INSERT,
        account.id,
        account.name,
        sorted(account.roles),
        account.store_id,
        account.password_hash,
        account.created_at,
    )
    return inserted is not None


async def read_account(connection: Connection, account_id: str) -> StoredAccount | None:
    """One account, or None."""
    return _stored(await connection.fetchrow(READ_BY_ID, account_id))


async def lock_account(connection: Connection, account_id: str) -> StoredAccount | None:
    """One account, which stays as it is until the transaction ends, or None."""
    return _stored(await connection.fetchrow(LOCK, account_id))


async def read_account_by_name(connection: Connection, name: str) -> StoredAccount | None:
    """One account by the name that it signs in with, or None."""
    return _stored(await connection.fetchrow(READ_BY_NAME, name))


async def list_accounts(
    connection: Connection, *, before_id: str | None, limit: int
) -> list[StoredAccount]:
    """Accounts, the newest first, continuing before `before_id`."""
    rows = await connection.fetch(LIST, before_id, limit)
    return [StoredAccount(**row) for row in rows]


async def is_last_admin(connection: Connection, account_id: str) -> bool:
    """Whether without this account nobody could administer; stays so until the transaction ends."""
    await connection.execute(LOCK_ADMINS)
    return bool(await connection.fetchval(IS_LAST_ADMIN, account_id))


async def set_enabled(
    connection: Connection, account_id: str, *, is_enabled: bool, now: datetime
) -> None:
    """Let an account be used again, or no longer; its access tokens die either way."""
    await connection.execute(SET_ENABLED, account_id, is_enabled, now)


async def set_password_hash(
    connection: Connection, account_id: str, password_hash: str, *, now: datetime
) -> None:
    """Give an account another password; its access tokens die."""
    await connection.execute(CHANGE_HASH, account_id, password_hash, now)


async def set_roles(
    connection: Connection, account_id: str, roles: Collection[str], *, store_id: str | None
) -> None:
    """Give an account other roles, and a till its store."""
    await connection.execute(SET_ROLES, account_id, sorted(roles), store_id)


async def renew_hash(connection: Connection, account_id: str, *, before: str, after: str) -> None:
    """Store the same password under newer parameters, unless it was changed meanwhile."""
    await connection.execute(RENEW_HASH, account_id, before, after)


def _stored(row: asyncpg.Record | None) -> StoredAccount | None:
    return None if row is None else StoredAccount(**row)
