"""Applies a long range of proven blocks in one transaction, by COPY instead of by the row."""

from dataclasses import replace
from datetime import datetime

import asyncpg

from ledger.chain import BlockRef, BrokenBranchError
from ledger.store.advance import CLAIM
from ledger.store.bulk_rows import (
    BLOCK_COLUMNS,
    EVENT_COLUMNS,
    TRANSFER_COLUMNS,
    ProvenRange,
)
from ledger.store.consequences import move_on
from ledger.store.copying import copy_over, copy_rows
from ledger.store.cursor import Cursor, lock_cursor
from ledger.store.pool import Connection
from ledger.store.switch import Outcome

# Which of a range's recipients are order addresses; mostly none, and then nothing is read back.
PAID_ADDRESSES = """
SELECT address FROM orders WHERE chain_id = $1 AND address = ANY($2::bytea[])
"""

PAYING_BLOCKS = """
SELECT DISTINCT t.block_hash
FROM block b JOIN transfer t ON t.chain_id = b.chain_id AND t.block_hash = b.hash
WHERE b.chain_id = $1 AND b.number BETWEEN $2 AND $3 AND b.canonical
    AND t.recipient = ANY($4::bytea[])
"""

_ADDRESS_LENGTH = 20


async def apply_range(
    connection: Connection,
    chain_id: int,
    blocks: ProvenRange,
    *,
    expected_tip: BlockRef,
    now: datetime,
) -> Outcome:
    """Apply blocks that grow on the tip; the caller has opened the transaction and commits it.

    Rows, claims, standings, events and the cursor come out as `apply_step` would make them.

    Raises:
        TipMovedError: another writer was first.
        BrokenBranchError: the blocks do not grow on the tip.
    """
    before = await lock_cursor(connection, chain_id, expected_tip=expected_tip)
    if (blocks.first_number, blocks.parent_hash) != (before.tip.number + 1, before.tip.hash):
        raise BrokenBranchError(f"block {blocks.first_number} does not grow on our tip")
    await _copy(connection, "block", BLOCK_COLUMNS, blocks.block_copy)
    if blocks.transfer_count:
        await _copy(connection, "transfer", TRANSFER_COLUMNS, blocks.transfer_copy)
    if blocks.event_copy:
        await _copy(connection, "contract_event", EVENT_COLUMNS, blocks.event_copy)
    after = _cursor_on(before, blocks)
    affected = await _claim(connection, chain_id, blocks)
    events = await move_on(connection, chain_id, affected, before=before, after=after, now=now)
    return Outcome(after, 0, blocks.transfer_count, events)


def _cursor_on(before: Cursor, blocks: ProvenRange) -> Cursor:
    tip = BlockRef(blocks.last.number, blocks.last.hash)
    return replace(before, tip=tip, tip_timestamp=blocks.last.timestamp)


async def _copy(connection: Connection, table: str, columns: tuple[str, ...], rows: bytes) -> None:
    """COPY rows into a table; the slow way only when some are there already."""
    try:
        async with connection.transaction():
            await copy_rows(connection, table, columns, rows)
    except asyncpg.UniqueViolationError:
        await copy_over(connection, table, columns, rows)


async def _claim(connection: Connection, chain_id: int, blocks: ProvenRange) -> set[str]:
    joined = blocks.recipients
    recipients = [
        joined[at : at + _ADDRESS_LENGTH] for at in range(0, len(joined), _ADDRESS_LENGTH)
    ]
    paid = await connection.fetch(PAID_ADDRESSES, chain_id, recipients)
    if not paid:
        return set()
    rows = await connection.fetch(
        PAYING_BLOCKS,
        chain_id,
        blocks.first_number,
        blocks.last.number,
        [row["address"] for row in paid],
    )
    hashes = [row["block_hash"] for row in rows]
    return {row["order_id"] for row in await connection.fetch(CLAIM, chain_id, hashes)}
