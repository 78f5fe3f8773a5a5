"""Refunds as people make them: asked for once, recorded with a transaction, cancelled."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import asyncpg

from ledger.refund import (
    Account,
    Refund,
    Refundable,
    RefundReason,
    RefundStatus,
    refundable,
    source,
)
from ledger.store.cursor import read_cursor
from ledger.store.pool import Connection
from ledger.store.refund_entries import RefundChange, append_changes
from ledger.store.standings import LOCK_ORDERS, read_order, read_payments
from ledger.units import Units

INSERT = """
INSERT INTO refund (
    id, chain_id, order_id, account_id, reason, source, note, amount, recipient, since_number,
    created_at, status, version
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'requested', 0)
"""

# A request that was cancelled has let go of its amount; one that the chain proved never does.
PROMISED = """
SELECT source, sum(amount) FROM refund WHERE order_id = $1 AND status <> 'cancelled' GROUP BY source
"""

FINALIZED_TIME = """
SELECT "timestamp" FROM block WHERE chain_id = $1 AND number = $2 AND canonical
"""

LOCK = """
SELECT id, order_id, reason, amount, recipient, since_number, cancelled_at, tx_hash, tx_seq, status
FROM refund WHERE id = $1 AND order_id = $2 FOR NO KEY UPDATE
"""

SET_VERSION = "UPDATE refund SET version = $2 WHERE id = $1"

RECORD = """
INSERT INTO refund_transaction (seq, refund_id, tx_hash, account_id, recorded_at)
VALUES ($1, $2, $3, $4, $5)
"""

# What was seen was seen of the transaction before; the next block looks for this one.
SEND = """
UPDATE refund SET tx_hash = $2, tx_seq = $3, version = $3, status = 'sent', seen_number = NULL
WHERE id = $1
"""

CANCEL = "UPDATE refund SET cancelled_at = $2, status = 'cancelled', version = $3 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A refund to be written; who asks is the account, `recipient` is 20 bytes."""

    id: str
    order_id: str
    account_id: str
    reason: RefundReason
    note: str
    amount: Units
    recipient: bytes


@dataclass(frozen=True, slots=True)
class LockedOrder:
    """An order that nobody else may refund until the transaction ends."""

    order_id: str
    store_id: str
    chain_id: int
    tip_number: int
    refundable: Refundable


async def lock_refundable(connection: Connection, order_id: str) -> LockedOrder | None:
    """Lock an order and count what may still be refunded of it; None without such an order.

    The lock is what keeps two requests at once from promising the same money.
    """
    row = await connection.fetchrow(LOCK_ORDERS, [order_id])
    if row is None:
        return None
    cursor = await read_cursor(connection, row["chain_id"])
    if cursor is None:
        raise ValueError("an order exists, so its ledger is registered")
    finalized = cursor.finalized.number
    promised = await connection.fetch(PROMISED, order_id)
    found = refundable(
        read_order(row),
        (await read_payments(connection, [order_id]))[order_id],
        cursor.depths,
        finalized_timestamp=await connection.fetchval(FINALIZED_TIME, row["chain_id"], finalized),
        promised={Account(name): int(amount) for name, amount in promised},
    )
    return LockedOrder(order_id, row["store_id"], row["chain_id"], cursor.tip.number, found)


async def insert_refund(
    connection: Connection, new: NewRefund, order: LockedOrder, *, now: datetime
) -> None:
    """Write a refund of a locked order, with its event and its first entry."""
    await connection.execute(
        INSERT,
        new.id,
        order.chain_id,
        new.order_id,
        new.account_id,
        str(new.reason),
        str(source(new.reason)),
        new.note,
        Decimal(new.amount),
        new.recipient,
        order.tip_number,
        now,
    )
    refund = Refund(new.id, new.order_id, new.reason, new.amount, new.recipient, order.tip_number)
    change = RefundChange(refund, None, RefundStatus.REQUESTED, new.account_id, new.note)
    (seq,) = await append_changes(connection, [change], now=now)
    await connection.execute(SET_VERSION, new.id, seq)


async def lock_refund(
    connection: Connection, order_id: str, refund_id: str
) -> tuple[Refund, RefundStatus] | None:
    """Lock a refund and its order, in this order as every writer does; None without it."""
    await connection.fetchrow(LOCK_ORDERS, [order_id])
    row = await connection.fetchrow(LOCK, refund_id, order_id)
    return None if row is None else (read_refund(row), RefundStatus(row["status"]))


async def record_transaction(
    connection: Connection,
    refund: Refund,
    status: RefundStatus,
    *,
    account_id: str,
    now: datetime,
) -> None:
    """Write which transaction now counts for a locked refund, `refund.tx_hash`."""
    change = RefundChange(refund, status, RefundStatus.SENT, account_id)
    (seq,) = await append_changes(connection, [change], now=now)
    await connection.execute(RECORD, seq, refund.id, refund.tx_hash, account_id, now)
    await connection.execute(SEND, refund.id, refund.tx_hash, seq)


async def cancel_refund(
    connection: Connection,
    refund: Refund,
    status: RefundStatus,
    *,
    account_id: str,
    note: str,
    now: datetime,
) -> None:
    """Cancel a locked refund: its amount goes back to where it came from."""
    change = RefundChange(refund, status, RefundStatus.CANCELLED, account_id, note)
    (seq,) = await append_changes(connection, [change], now=now)
    await connection.execute(CANCEL, refund.id, now, seq)


def read_refund(row: asyncpg.Record) -> Refund:
    """What a refund's status depends on, out of a row of `refund`."""
    return Refund(
        id=row["id"],
        order_id=row["order_id"],
        reason=RefundReason(row["reason"]),
        amount=Units(int(row["amount"])),
        recipient=row["recipient"],
        since_number=row["since_number"],
        is_cancelled=row["cancelled_at"] is not None,
        tx_hash=row["tx_hash"],
        tx_seq=row["tx_seq"] or 0,
    )
