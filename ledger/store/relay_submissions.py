"""Authorisations that were taken over for broadcasting: each written once, then followed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import asyncpg

from ledger.store.pool import Connection
from ledger.units import Units

# Two relayers' keys may be in use while one is rotated out: their rows would not exclude each
# other, an order's lock does.
LOCK_ORDER = "SELECT pg_advisory_xact_lock(hashtextextended('relay:' || $1, 0))"

INSERT = """
INSERT INTO relay_submission (
    id, chain_id, token, order_id, owner, recipient, amount, valid_after, valid_before,
    authorization_nonce, signature, relayer, seen_number, created_at, status, tx_hash, promised_wei
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'accepted', $15, $16
)
ON CONFLICT ON CONSTRAINT relay_submission_authorization DO NOTHING
RETURNING id
"""

_COLUMNS = """
SELECT id, chain_id, token, order_id, owner, recipient, amount, valid_after, valid_before,
       authorization_nonce, signature, relayer, seen_number, created_at, status, tx_hash,
       is_foreign, block_number, block_hash, closed_at
FROM relay_submission
"""

READ = _COLUMNS + "WHERE id = $1"

FIND = _COLUMNS + "WHERE chain_id = $1 AND token = $2 AND owner = $3 AND authorization_nonce = $4"

OPEN = _COLUMNS + "WHERE chain_id = $1 AND closed_at IS NULL ORDER BY id LIMIT $2"

IS_ORDER_TAKEN = """
SELECT EXISTS (
    SELECT 1 FROM relay_submission
    WHERE order_id = $1 AND status IN ('accepted', 'broadcast', 'included')
)
"""

SPENT = """
SELECT count(*) FILTER (WHERE owner = $2) AS payer_count,
       coalesce(sum(coalesce(cost_wei, promised_wei)), 0) AS wei
FROM relay_submission WHERE chain_id = $1 AND created_at > $3
"""

# Only forward: the node may have said yes after the watcher had found it in a block.
MARK_BROADCAST = """
UPDATE relay_submission SET status = 'broadcast' WHERE id = $1 AND status = 'accepted'
"""

MARK_RESIGNED = """
UPDATE relay_submission SET tx_hash = $2, promised_wei = greatest(promised_wei, $3) WHERE id = $1
"""

MARK_SEEN = """
UPDATE relay_submission SET
    status = $2, tx_hash = coalesce($3, tx_hash), is_foreign = $4, block_number = $5,
    block_hash = $6, cost_wei = coalesce($7, cost_wei), closed_at = $8
WHERE id = $1 AND closed_at IS NULL
"""


class SubmissionStatus(StrEnum):
    """Where a submission stands."""

    ACCEPTED = "accepted"
    """Signed and written down; no node has confirmed that it has it."""
    BROADCAST = "broadcast"
    INCLUDED = "included"
    """A block holds the transfer, whoever broadcast it."""
    REVERTED = "reverted"
    """A block holds our transaction, and it moved nothing."""
    EXPIRED = "expired"
    """No block took it in time, and none can any more."""
    CANCELLED = "cancelled"
    """Its holder has cancelled it on the chain."""


@dataclass(frozen=True, slots=True)
class NewSubmission:
    """A submission to be written; times of the authorisation in Unix seconds."""

    id: str
    chain_id: int
    token: bytes
    order_id: str
    owner: bytes
    recipient: bytes
    amount: Units
    valid_after: int
    valid_before: int
    authorization_nonce: bytes
    signature: bytes
    relayer: bytes
    seen_number: int
    """The head when it was taken over: nothing about it lies in earlier blocks but its past."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredSubmission(NewSubmission):
    """A submission as it stands; `is_foreign` when somebody else's transaction made it land."""

    status: SubmissionStatus
    tx_hash: bytes
    is_foreign: bool
    block_number: int | None
    block_hash: bytes | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sight:
    """What the chain shows of a submission; `cost_wei` is what we paid for it."""

    status: SubmissionStatus
    tx_hash: bytes | None = None
    is_foreign: bool = False
    block_number: int | None = None
    block_hash: bytes | None = None
    cost_wei: int | None = None
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """What was taken over since some moment: by one payer, and in gas at the most."""

    payer_count: int
    wei: int


async def lock_order(connection: Connection, order_id: str) -> None:
    """Let nobody else take over a payment of this order until the transaction ends."""
    await connection.execute(LOCK_ORDER, order_id)


async def insert_submission(
    connection: Connection, new: NewSubmission, *, tx_hash: bytes, promised_wei: int
) -> bool:
    """Write a submission; False when there is one of this authorisation, for whatever order.

    The caller has locked the order, and must not go on then: a nonce would be left unused.
    """
    inserted = await connection.fetchval(
        INSERT,
        *(new.id, new.chain_id, new.token, new.order_id, new.owner, new.recipient),
        *(Decimal(new.amount), new.valid_after, new.valid_before, new.authorization_nonce),
        *(new.signature, new.relayer, new.seen_number, new.created_at, tx_hash),
        Decimal(promised_wei),
    )
    return inserted is not None


async def read_submission(connection: Connection, submission_id: str) -> StoredSubmission | None:
    """One submission, or None."""
    row = await connection.fetchrow(READ, submission_id)
    return None if row is None else _stored(row)


async def find_submission(
    connection: Connection, chain_id: int, *, token: bytes, owner: bytes, nonce: bytes
) -> StoredSubmission | None:
    """The submission of this authorisation, or None."""
    row = await connection.fetchrow(FIND, chain_id, token, owner, nonce)
    return None if row is None else _stored(row)


async def list_open(
    connection: Connection, chain_id: int, *, limit: int
) -> Sequence[StoredSubmission]:
    """The submissions whose fate is not final, oldest first."""
    return [_stored(row) for row in await connection.fetch(OPEN, chain_id, limit)]


async def is_order_taken(connection: Connection, order_id: str) -> bool:
    """Whether a payment of this order is on its way or has landed."""
    taken: bool = await connection.fetchval(IS_ORDER_TAKEN, order_id)
    return taken


async def read_spent(
    connection: Connection, chain_id: int, *, owner: bytes, since: datetime
) -> Spent:
    """What was taken over since then."""
    row = await connection.fetchrow(SPENT, chain_id, owner, since)
    if row is None:
        raise RuntimeError("an aggregate without a row")
    return Spent(row["payer_count"], int(row["wei"]))


async def mark_broadcast(connection: Connection, submission_id: str) -> None:
    """Note that a node has it."""
    await connection.execute(MARK_BROADCAST, submission_id)


async def mark_resigned(
    connection: Connection, submission_id: str, *, tx_hash: bytes, promised_wei: int
) -> None:
    """Note that a further transaction was signed for it."""
    await connection.execute(MARK_RESIGNED, submission_id, tx_hash, Decimal(promised_wei))


async def mark_seen(
    connection: Connection, submission_id: str, sight: Sight, *, now: datetime
) -> None:
    """Write what the chain shows; what is final does not change any more."""
    await connection.execute(
        MARK_SEEN,
        *(submission_id, str(sight.status), sight.tx_hash, sight.is_foreign),
        *(sight.block_number, sight.block_hash),
        None if sight.cost_wei is None else Decimal(sight.cost_wei),
        now if sight.is_final else None,
    )


def _stored(row: asyncpg.Record) -> StoredSubmission:
    fields: dict[str, Any] = dict(row)
    fields["status"] = SubmissionStatus(fields["status"])
    fields["amount"] = Units(int(fields["amount"]))
    return StoredSubmission(**fields)
