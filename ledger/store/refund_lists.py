"""Refunds as they stand, each with the transfer that proves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ledger.audience import Audience
from ledger.refund import RefundReason, RefundStatus
from ledger.store.pool import Connection
from ledger.units import Units

# The block is that of the transfer which proves the refund now, if any does.
WITH_PROOF = """
FROM refund r
JOIN orders o ON o.id = r.order_id
LEFT JOIN LATERAL (
    SELECT t.block_number, t.block_hash, t.log_index
    FROM refund_claim k JOIN transfer t USING (chain_id, block_hash, log_index)
    WHERE k.refund_id = r.id AND t.canonical LIMIT 1
) proof ON true
"""

_COLUMNS = (
    """
SELECT r.id, r.order_id, o.store_id, r.account_id, r.reason, r.note, r.amount, r.recipient,
       r.created_at, r.status, r.tx_hash, r.cancelled_at, r.verified_at, r.settled_at, r.version,
       proof.block_number, proof.block_hash, proof.log_index
"""
    + WITH_PROOF
)

READ = _COLUMNS + "WHERE r.id = $1 AND r.order_id = $2"

LIST_OF_ORDER = _COLUMNS + "WHERE r.order_id = $1 ORDER BY r.id"

LIST = (
    _COLUMNS
    + """
WHERE r.status = ANY($1::text[]) AND ($2::text IS NULL OR r.id < $2)
    AND ($3::text IS NULL OR o.store_id = $3) AND ($4::text IS NULL OR o.account_id = $4)
ORDER BY r.id DESC LIMIT $5
"""
)


@dataclass(frozen=True, slots=True)
class StoredRefund:
    """A refund as it stands; the block fields are of the transfer that proves it now."""

    id: str
    order_id: str
    store_id: str
    account_id: str
    reason: RefundReason
    note: str
    amount: Units
    recipient: bytes
    created_at: datetime
    status: RefundStatus
    tx_hash: bytes | None
    cancelled_at: datetime | None
    verified_at: datetime | None
    settled_at: datetime | None
    version: int
    block_number: int | None
    block_hash: bytes | None
    log_index: int | None


async def read_stored_refund(
    connection: Connection, order_id: str, refund_id: str
) -> StoredRefund | None:
    """One refund of an order, or None."""
    row = await connection.fetchrow(READ, refund_id, order_id)
    return None if row is None else _stored(row)


async def list_refunds_of(connection: Connection, order_id: str) -> list[StoredRefund]:
    """All refunds of an order, oldest first."""
    return [_stored(row) for row in await connection.fetch(LIST_OF_ORDER, order_id)]


async def list_refunds(
    connection: Connection,
    statuses: Sequence[RefundStatus],
    *,
    before_id: str | None,
    audience: Audience,
    limit: int,
) -> list[StoredRefund]:
    """Refunds of the given statuses that this audience may see, newest first."""
    names = [str(status) for status in statuses]
    rows = await connection.fetch(
        LIST, names, before_id, audience.store_id, audience.account_id, limit
    )
    return [_stored(row) for row in rows]


def _stored(row: asyncpg.Record) -> StoredRefund:
    fields = dict(row)
    fields["reason"] = RefundReason(fields["reason"])
    fields["status"] = RefundStatus(fields["status"])
    fields["amount"] = Units(int(fields["amount"]))
    return StoredRefund(**fields)
