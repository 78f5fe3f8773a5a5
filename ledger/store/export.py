"""Rows for auditors: what the chain proves and what our books say, each value exact in text."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ledger.contract_event import canonical_arguments
from ledger.store.pool import Connection
from ledger.store.refund_lists import WITH_PROOF

_BLOCKS = """
SELECT number, '0x' || encode(hash, 'hex') AS hash,
       '0x' || encode(parent_hash, 'hex') AS parent_hash, "timestamp",
       '0x' || encode(transactions_root, 'hex') AS transactions_root,
       '0x' || encode(receipts_root, 'hex') AS receipts_root
FROM block WHERE chain_id = $1 AND canonical ORDER BY number
"""

_TRANSFERS = """
SELECT b.number AS block_number, '0x' || encode(b.hash, 'hex') AS block_hash, t.log_index,
       t.tx_index, '0x' || encode(t.tx_hash, 'hex') AS tx_hash,
       '0x' || encode(t.sender, 'hex') AS sender, '0x' || encode(t.recipient, 'hex') AS recipient,
       t.amount::text AS amount_units, p.order_id
FROM block b
JOIN transfer t ON t.chain_id = b.chain_id AND t.block_hash = b.hash AND t.canonical
LEFT JOIN payment p
    ON (p.chain_id, p.block_hash, p.log_index) = (t.chain_id, t.block_hash, t.log_index)
WHERE b.chain_id = $1 AND b.canonical ORDER BY b.number, t.log_index
"""

_EVENTS = """
SELECT b.number AS block_number, '0x' || encode(b.hash, 'hex') AS block_hash, e.log_index,
       e.tx_index, '0x' || encode(e.tx_hash, 'hex') AS tx_hash, e.contract, e.name, e.arguments
FROM block b
JOIN contract_event e ON e.chain_id = b.chain_id AND e.block_hash = b.hash AND e.canonical
WHERE b.chain_id = $1 AND b.canonical ORDER BY b.number, e.log_index
"""

_ORDERS = """
SELECT id, store_id, reference, status, amount_myr AS amount_myr_sen,
       rate_myr_per_bill::text AS rate_myr_per_bill, amount_due::text AS amount_due_units,
       amount_received::text AS amount_received_units,
       amount_owed_back::text AS amount_owed_back_units,
       amount_refunded::text AS amount_refunded_units,
       '0x' || encode(address, 'hex') AS address, required_finality, expires_at,
       created_at, paid_at, settled_at, cancelled_at
FROM orders WHERE chain_id = $1 ORDER BY id
"""

_REFUNDS = (
    """
SELECT r.id, r.order_id, o.store_id, r.status, r.reason, r.source, r.note,
       r.amount::text AS amount_units, '0x' || encode(r.recipient, 'hex') AS recipient,
       r.account_id, r.since_number, '0x' || encode(r.tx_hash, 'hex') AS tx_hash,
       proof.block_number, '0x' || encode(proof.block_hash, 'hex') AS block_hash, proof.log_index,
       r.created_at, r.verified_at, r.settled_at, r.cancelled_at
"""
    + WITH_PROOF
    + "WHERE r.chain_id = $1 ORDER BY r.id"
)

_REFUND_ENTRIES = """
SELECT e.seq, e.refund_id, e.order_id, e.debit, e.credit, e.amount::text AS amount_units,
       e.account_id, e.note, e.created_at
FROM refund_entry e JOIN refund r ON r.id = e.refund_id
WHERE r.chain_id = $1 ORDER BY e.seq
"""

_LOYALTY_POSTINGS = """
SELECT p.seq, p.kind, p.debit, p.credit, '0x' || encode(p.customer, 'hex') AS customer, p.points,
       p.order_id, p.coupon_id, e.created_at
FROM posting p JOIN event e ON e.seq = p.seq JOIN orders o ON o.id = p.order_id
WHERE o.chain_id = $1 ORDER BY p.seq
"""

_COUPONS = """
SELECT c.id, '0x' || encode(c.customer, 'hex') AS customer, c.number, c.order_id, c.status,
       c.made_at, c.voided_at, c.used_at, c.used_by
FROM coupon c JOIN orders o ON o.id = c.order_id
WHERE o.chain_id = $1 ORDER BY c.id
"""


@dataclass(frozen=True, slots=True)
class ExportTable:
    """A table as it is exported: its columns, and which of them are whole numbers."""

    name: str
    query: str
    columns: tuple[str, ...]
    numbers: frozenset[str]


EXPORT_TABLES = {
    table.name: table
    for table in (
        ExportTable(
            "blocks",
            _BLOCKS,
            ("number", "hash", "parent_hash", "timestamp", "transactions_root", "receipts_root"),
            frozenset({"number", "timestamp"}),
        ),
        ExportTable(
            "transfers",
            _TRANSFERS,
            (
                *("block_number", "block_hash", "log_index", "tx_index", "tx_hash", "sender"),
                *("recipient", "amount_units", "order_id"),
            ),
            frozenset({"block_number", "log_index", "tx_index"}),
        ),
        ExportTable(
            "contract_events",
            _EVENTS,
            (
                *("block_number", "block_hash", "log_index", "tx_index", "tx_hash", "contract"),
                *("name", "arguments"),
            ),
            frozenset({"block_number", "log_index", "tx_index"}),
        ),
        ExportTable(
            "orders",
            _ORDERS,
            (
                *("id", "store_id", "reference", "status", "amount_myr_sen", "rate_myr_per_bill"),
                *("amount_due_units", "amount_received_units", "amount_owed_back_units"),
                *("amount_refunded_units", "address", "required_finality", "expires_at"),
                *("created_at", "paid_at", "settled_at", "cancelled_at"),
            ),
            frozenset({"amount_myr_sen", "expires_at"}),
        ),
        ExportTable(
            "refunds",
            _REFUNDS,
            (
                *("id", "order_id", "store_id", "status", "reason", "source", "note"),
                *("amount_units", "recipient", "account_id", "since_number", "tx_hash"),
                *("block_number", "block_hash", "log_index", "created_at", "verified_at"),
                *("settled_at", "cancelled_at"),
            ),
            frozenset({"since_number", "block_number", "log_index"}),
        ),
        ExportTable(
            "refund_entries",
            _REFUND_ENTRIES,
            (
                *("seq", "refund_id", "order_id", "debit", "credit", "amount_units"),
                *("account_id", "note", "created_at"),
            ),
            frozenset({"seq"}),
        ),
        ExportTable(
            "loyalty_postings",
            _LOYALTY_POSTINGS,
            (
                *("seq", "kind", "debit", "credit", "customer", "points", "order_id"),
                *("coupon_id", "created_at"),
            ),
            frozenset({"seq", "points"}),
        ),
        ExportTable(
            "coupons",
            _COUPONS,
            (
                *("id", "customer", "number", "order_id", "status", "made_at", "voided_at"),
                *("used_at", "used_by"),
            ),
            frozenset({"number"}),
        ),
    )
}


async def read_pages(
    connection: Connection, table: ExportTable, chain_id: int, *, page_rows: int
) -> AsyncIterator[list[tuple[Any, ...]]]:
    """The table's rows, so many at a time, by a cursor of the server.

    Open a repeatable-read transaction around all tables, so that they are of one instant.
    """
    cursor = await connection.cursor(table.query, chain_id)
    while rows := await cursor.fetch(page_rows):
        yield [tuple(_text(value) for value in row) for row in rows]


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).isoformat(timespec="microseconds")
        return moment.removesuffix("+00:00") + "Z"
    return canonical_arguments(value) if isinstance(value, dict) else value
