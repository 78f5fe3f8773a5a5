"""Reads the canonical rows of a range block by block, in our schema or in another beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from ledger.contract_event import ContractEvent
from ledger.header import Header
from ledger.store.bulk_rows import (
    BLOCK_COLUMNS,
    EVENT_COLUMNS,
    TRANSFER_COLUMNS,
    ProvenRange,
)
from ledger.store.contract_events import read_events_by_block
from ledger.store.copying import copy_rows
from ledger.store.pool import Connection
from ledger.transfer import Transfer
from ledger.units import Units

ROWS = """
SELECT b.number, b.hash, b.parent_hash, b."timestamp", b.transactions_root, b.receipts_root,
       t.log_index, t.tx_index, t.tx_hash, t.sender, t.recipient, t.amount
FROM block b
LEFT JOIN transfer t ON t.chain_id = b.chain_id AND t.block_hash = b.hash AND t.canonical
WHERE b.chain_id = $1 AND b.number BETWEEN $2 AND $3 AND b.canonical
ORDER BY b.number, t.log_index
"""

# Names come from `schema_name` below: digits and our own letters.
CREATE_SCHEMA = 'CREATE SCHEMA "{schema}"'
CREATE_TABLE = """
CREATE UNLOGGED TABLE "{schema}".{table} (LIKE public.{table} INCLUDING INDEXES)
"""
DROP_SCHEMA = 'DROP SCHEMA IF EXISTS "{schema}" CASCADE'
LOOK_INTO = 'SET LOCAL search_path TO "{schema}", public'

_PAGE_BLOCKS = 1_000


@dataclass(frozen=True, slots=True)
class BlockRows:
    """A canonical block as its rows tell it."""

    header: Header
    transfers: tuple[Transfer, ...]
    events: tuple[ContractEvent, ...] = ()


def schema_name(purpose: str, *, unix_milliseconds: int) -> str:
    """A name for a schema beside ours."""
    return f"billcoin_{purpose}_{unix_milliseconds}"


async def create_schema(connection: Connection, schema: str) -> None:
    """Make a schema with tables for blocks, transfers and events as ours are."""
    await connection.execute(CREATE_SCHEMA.format(schema=schema))
    for table in ("block", "transfer", "contract_event"):
        await connection.execute(CREATE_TABLE.format(schema=schema, table=table))


async def drop_schema(connection: Connection, schema: str) -> None:
    """Remove a schema that `create_schema` made."""
    await connection.execute(DROP_SCHEMA.format(schema=schema))


async def copy_range(connection: Connection, schema: str, blocks: ProvenRange) -> None:
    """Write proven blocks into a schema beside ours."""
    for table, columns, rows in (
        ("block", BLOCK_COLUMNS, blocks.block_copy),
        ("transfer", TRANSFER_COLUMNS, blocks.transfer_copy),
        ("contract_event", EVENT_COLUMNS, blocks.event_copy),
    ):
        if rows:
            await copy_rows(connection, table, columns, rows, schema=schema)


@asynccontextmanager
async def looking_into(connection: Connection, schema: str | None) -> AsyncIterator[None]:
    """A read-only look at one instant of a schema; None is ours."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if schema is not None:
            await connection.execute(LOOK_INTO.format(schema=schema))
        yield


async def read_rows(
    connection: Connection, chain_id: int, first: int, last: int
) -> AsyncIterator[BlockRows]:
    """The canonical blocks of a range in order, some at a time."""
    for start in range(first, last + 1, _PAGE_BLOCKS):
        end = min(start + _PAGE_BLOCKS - 1, last)
        events = await read_events_by_block(connection, chain_id, start, end)
        rows: list[asyncpg.Record] = []
        for row in await connection.fetch(ROWS, chain_id, start, end):
            if rows and rows[0]["number"] != row["number"]:
                yield _block_rows(rows, events)
                rows = []
            rows.append(row)
        if rows:
            yield _block_rows(rows, events)


def _block_rows(rows: list[asyncpg.Record], events: dict[bytes, list[ContractEvent]]) -> BlockRows:
    row = rows[0]
    header = Header(
        number=row["number"],
        hash=row["hash"],
        parent_hash=row["parent_hash"],
        timestamp=row["timestamp"],
        transactions_root=row["transactions_root"],
        receipts_root=row["receipts_root"],
    )
    transfers = tuple(
        Transfer(
            row["log_index"],
            row["tx_index"],
            row["tx_hash"],
            row["sender"],
            row["recipient"],
            Units(int(row["amount"])),
        )
        for row in rows
        if row["log_index"] is not None
    )
    return BlockRows(header, transfers, tuple(events.get(header.hash, ())))
