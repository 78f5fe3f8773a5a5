"""Rows for auditors: canonical blocks, transfers and orders, every value as it is exact in text."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ledger.contract_event import canonical_arguments
from ledger.store.pool import Connection

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
       '0x' || encode(address, 'hex') AS address, required_finality, expires_at,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
       to_char(paid_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS paid_at,
       to_char(settled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS settled_at,
       to_char(cancelled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS cancelled_at
FROM orders WHERE chain_id = $1 ORDER BY id
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
                *("address", "required_finality", "expires_at", "created_at", "paid_at"),
                *("settled_at", "cancelled_at"),
            ),
            frozenset({"amount_myr_sen", "expires_at"}),
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
    return canonical_arguments(value) if isinstance(value, dict) else value
