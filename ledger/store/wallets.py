"""Linked wallets, encrypted, and the challenges that link them."""

from dataclasses import dataclass
from datetime import datetime

from ledger.store.pool import Connection

MAX_CHALLENGES = 5
"""Of one account at once; the oldest go first."""

INSERT_CHALLENGE = """
INSERT INTO wallet_challenge (nonce, account_id, sealed, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5)
"""
DROP_OLDEST_CHALLENGES = """
DELETE FROM wallet_challenge WHERE account_id = $1 AND nonce NOT IN (
    SELECT nonce FROM wallet_challenge WHERE account_id = $1
    ORDER BY created_at DESC, nonce LIMIT $2
)
"""
# Whoever deletes the row has it, and nobody else: a nonce is used once, however many try.
TAKE_CHALLENGE = """
DELETE FROM wallet_challenge WHERE nonce = $1 AND account_id = $2 RETURNING sealed, expires_at
"""
FORGET_CHALLENGES = "DELETE FROM wallet_challenge WHERE expires_at <= $1"

LOCK_ACCOUNT = "SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE"
COUNT = "SELECT count(*) FROM wallet WHERE account_id = $1"
INSERT = """
INSERT INTO wallet (id, account_id, address_sealed, address_key_id, address_digest, linked_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (address_digest) DO NOTHING
RETURNING id
"""

_COLUMNS = "SELECT id, account_id, address_sealed, address_digest, linked_at FROM wallet "
READ_BY_DIGEST = _COLUMNS + "WHERE address_digest = $1"
LIST = _COLUMNS + "WHERE account_id = $1 ORDER BY id DESC"
DELETE = "DELETE FROM wallet WHERE account_id = $1 AND id = $2 RETURNING id"

COUNT_OUTDATED = "SELECT count(*) FROM wallet WHERE address_key_id <> $1"
READ_OUTDATED = _COLUMNS + "WHERE address_key_id <> $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED"
RESEAL = "UPDATE wallet SET address_sealed = $2, address_key_id = $3 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class StoredWallet:
    """A linked wallet; only the oracle's keys open `address_sealed`."""

    id: str
    account_id: str
    address_sealed: bytes
    address_digest: bytes
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class StoredChallenge:
    """A challenge that was taken, and is now gone."""

    sealed: bytes
    expires_at: datetime


async def insert_challenge(
    connection: Connection,
    nonce: str,
    account_id: str,
    sealed: bytes,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep a challenge until it is taken; an account's oldest ones make room."""
    await connection.execute(INSERT_CHALLENGE, nonce, account_id, sealed, now, expires_at)
    await connection.execute(DROP_OLDEST_CHALLENGES, account_id, MAX_CHALLENGES)


async def take_challenge(
    connection: Connection, nonce: str, account_id: str
) -> StoredChallenge | None:
    """Take an account's challenge, for good; None when it is not there, or not any more."""
    row = await connection.fetchrow(TAKE_CHALLENGE, nonce, account_id)
    return None if row is None else StoredChallenge(**row)


async def forget_challenges(connection: Connection, *, now: datetime) -> int:
    """Delete challenges whose time is over; returns how many."""
    status: str = await connection.execute(FORGET_CHALLENGES, now)
    return int(status.rsplit(maxsplit=1)[-1])


async def count_wallets(connection: Connection, account_id: str) -> int:
    """How many wallets an account has; until the transaction ends nobody adds one."""
    await connection.execute(LOCK_ACCOUNT, account_id)
    count: int = await connection.fetchval(COUNT, account_id)
    return count


async def insert_wallet(connection: Connection, wallet: StoredWallet, *, key_id: str) -> bool:
    """Write a wallet; False when its address is linked already, to whomever."""
    inserted = await connection.fetchval(
        INSERT,
        wallet.id,
        wallet.account_id,
        wallet.address_sealed,
        key_id,
        wallet.address_digest,
        wallet.linked_at,
    )
    return inserted is not None


async def read_wallet_by_digest(connection: Connection, digest: bytes) -> StoredWallet | None:
    """The wallet of an address, by the address's keyed hash."""
    row = await connection.fetchrow(READ_BY_DIGEST, digest)
    return None if row is None else StoredWallet(**row)


async def list_wallets(connection: Connection, account_id: str) -> list[StoredWallet]:
    """An account's wallets, newest first."""
    return [StoredWallet(**row) for row in await connection.fetch(LIST, account_id)]


async def delete_wallet(connection: Connection, account_id: str, wallet_id: str) -> bool:
    """Forget a wallet of this account; False when it has no such one."""
    return await connection.fetchval(DELETE, account_id, wallet_id) is not None


async def count_outdated(connection: Connection, key_id: str) -> int:
    """How many wallets are encrypted with another key than this."""
    count: int = await connection.fetchval(COUNT_OUTDATED, key_id)
    return count


async def lock_outdated(connection: Connection, key_id: str, *, limit: int) -> list[StoredWallet]:
    """Some of the wallets that are encrypted with another key, locked."""
    return [StoredWallet(**row) for row in await connection.fetch(READ_OUTDATED, key_id, limit)]


async def reseal_wallet(
    connection: Connection, wallet_id: str, sealed: bytes, *, key_id: str
) -> None:
    """Store an address that was encrypted anew."""
    await connection.execute(RESEAL, wallet_id, sealed, key_id)
