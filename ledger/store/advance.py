"""Writes proven blocks and their transfers, and lets orders claim the transfers to them."""

from collections.abc import Sequence

from ledger.block import ProvenBlock
from ledger.header import Header
from ledger.store.pool import Connection

# A block that comes back after it was retracted finds its own rows again.
INSERT_BLOCKS = """
INSERT INTO block (
    chain_id, hash, number, parent_hash, "timestamp", transactions_root, receipts_root, canonical
)
SELECT $1, new.*, true
FROM unnest($2::bytea[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bytea[]) AS new
ON CONFLICT (chain_id, hash) DO UPDATE SET canonical = true
"""

# Amounts go as text: the driver takes three times as long to write numbers of any length.
INSERT_TRANSFERS = """
INSERT INTO transfer (
    chain_id, block_hash, log_index, block_number, tx_index, tx_hash, sender, recipient, amount,
    canonical
)
SELECT $1, new.*, true
FROM unnest(
    $2::bytea[], $3::integer[], $4::bigint[], $5::integer[], $6::bytea[], $7::bytea[],
    $8::bytea[], $9::text[]::numeric[]
) AS new
ON CONFLICT (chain_id, block_hash, log_index) DO UPDATE SET canonical = true
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


async def insert_blocks(connection: Connection, chain_id: int, headers: Sequence[Header]) -> None:
    """Write proven blocks as canonical."""
    await connection.execute(
        INSERT_BLOCKS,
        chain_id,
        [header.hash for header in headers],
        [header.number for header in headers],
        [header.parent_hash for header in headers],
        [header.timestamp for header in headers],
        [header.transactions_root for header in headers],
        [header.receipts_root for header in headers],
    )


async def insert_transfers(
    connection: Connection, chain_id: int, branch: Sequence[ProvenBlock]
) -> int:
    """Write the transfers of a proven branch as canonical; returns how many there are."""
    pairs = [(block.header, transfer) for block in branch for transfer in block.transfers]
    if pairs:
        await connection.execute(
            INSERT_TRANSFERS,
            chain_id,
            [header.hash for header, _ in pairs],
            [transfer.log_index for _, transfer in pairs],
            [header.number for header, _ in pairs],
            [transfer.tx_index for _, transfer in pairs],
            [transfer.tx_hash for _, transfer in pairs],
            [transfer.sender for _, transfer in pairs],
            [transfer.recipient for _, transfer in pairs],
            [str(transfer.amount) for _, transfer in pairs],
        )
    return len(pairs)


async def claim_transfers(
    connection: Connection, chain_id: int, branch: Sequence[ProvenBlock]
) -> set[str]:
    """Attribute the branch's transfers to the orders they pay; returns those orders' ids."""
    hashes = [block.header.hash for block in branch if block.transfers]
    if not hashes:
        return set()
    return {row["order_id"] for row in await connection.fetch(CLAIM, chain_id, hashes)}
