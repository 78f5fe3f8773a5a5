"""Writes proven blocks and their transfers, and lets orders claim the transfers to them."""

from collections.abc import Sequence

from ledger.block import ProvenBlock
from ledger.header import Header
from ledger.store.bulk_rows import (
    EVENT_COLUMNS,
    TRANSFER_COLUMNS,
    event_rows,
    transfer_rows,
)
from ledger.store.copy_format import copy_document
from ledger.store.copying import copy_over, copy_rows
from ledger.store.pool import Connection

INSERT_BLOCKS = """
INSERT INTO block (
    chain_id, hash, number, parent_hash, "timestamp", transactions_root, receipts_root, canonical
)
SELECT $1, new.*, true
FROM unnest($2::bytea[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bytea[]) AS new
ON CONFLICT (chain_id, hash) DO NOTHING
RETURNING hash
"""

# A block that comes back after it was retracted finds its own rows again.
RESTORE_BLOCKS = """
UPDATE block SET canonical = true WHERE chain_id = $1 AND hash = ANY($2::bytea[])
"""

CLAIM = """
WITH claimed AS (
    INSERT INTO payment (chain_id, block_hash, log_index, order_id)
    SELECT t.chain_id, t.block_hash, t.log_index, o.id
    FROM transfer t JOIN orders o ON o.address = t.recipient AND o.chain_id = t.chain_id
    WHERE t.chain_id = $1 AND t.block_hash = ANY($2::bytea[])
    ON CONFLICT DO NOTHING
    RETURNING order_id
)
SELECT order_id FROM claimed
UNION
SELECT order_id FROM payment WHERE chain_id = $1 AND block_hash = ANY($2::bytea[])
"""


async def insert_blocks(connection: Connection, chain_id: int, headers: Sequence[Header]) -> bool:
    """Write proven blocks as canonical; returns whether they are all new here."""
    hashes = [header.hash for header in headers]
    new = await connection.fetch(
        INSERT_BLOCKS,
        chain_id,
        hashes,
        [header.number for header in headers],
        [header.parent_hash for header in headers],
        [header.timestamp for header in headers],
        [header.transactions_root for header in headers],
        [header.receipts_root for header in headers],
    )
    if len(new) == len(headers):
        return True
    await connection.execute(RESTORE_BLOCKS, chain_id, hashes)
    return False


async def insert_transfers(
    connection: Connection, chain_id: int, branch: Sequence[ProvenBlock], *, are_new: bool
) -> int:
    """Write the transfers of a proven branch as canonical; returns how many there are.

    `are_new` says that none of its blocks was here before.
    """
    count = sum(len(block.transfers) for block in branch)
    if count:
        rows = transfer_rows(chain_id, branch)
        await _write(connection, "transfer", TRANSFER_COLUMNS, rows, are_new=are_new)
    return count


async def insert_events(
    connection: Connection, chain_id: int, branch: Sequence[ProvenBlock], *, are_new: bool
) -> None:
    """Write the events that followed contracts made in a proven branch, as its transfers are."""
    if rows := event_rows(chain_id, branch):
        await _write(connection, "contract_event", EVENT_COLUMNS, rows, are_new=are_new)


async def _write(
    connection: Connection, table: str, columns: Sequence[str], rows: bytes, *, are_new: bool
) -> None:
    copy = copy_rows if are_new else copy_over
    await copy(connection, table, columns, copy_document(rows))


async def claim_transfers(
    connection: Connection, chain_id: int, branch: Sequence[ProvenBlock]
) -> set[str]:
    """Attribute the branch's transfers to the orders they pay; returns those orders' ids."""
    hashes = [block.header.hash for block in branch if block.transfers]
    if not hashes:
        return set()
    return {row["order_id"] for row in await connection.fetch(CLAIM, chain_id, hashes)}
