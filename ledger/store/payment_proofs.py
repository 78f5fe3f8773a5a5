"""Proofs of payments and batches, kept beside the ledger: made after the block, for anybody."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.store.pool import Connection

# OFFSET 0 makes them look-ups by the whole key. Joined freely, and before the tables' statistics
# have grown with them, each payment of a block is compared with all others of that block.
MISSING = """
SELECT DISTINCT t.block_number, t.block_hash, t.tx_hash, t.tx_index
FROM block b
JOIN transfer t ON t.chain_id = b.chain_id AND t.block_hash = b.hash
WHERE b.chain_id = $1 AND b.number >= $2 AND b.canonical
    AND EXISTS (
        SELECT FROM payment p
        WHERE (p.chain_id, p.block_hash, p.log_index) = (t.chain_id, t.block_hash, t.log_index)
        OFFSET 0
    )
    AND NOT EXISTS (
        SELECT FROM payment_proof f
        WHERE (f.chain_id, f.tx_hash, f.block_hash) = (t.chain_id, t.tx_hash, t.block_hash)
        OFFSET 0
    )
UNION
SELECT t.block_number, t.block_hash, t.tx_hash, t.tx_index
FROM refund_claim k
JOIN transfer t USING (chain_id, block_hash, log_index)
LEFT JOIN payment_proof f
    ON (f.chain_id, f.tx_hash, f.block_hash) = (t.chain_id, t.tx_hash, t.block_hash)
WHERE k.chain_id = $1 AND t.block_number >= $2 AND t.canonical AND f.tx_hash IS NULL
UNION
SELECT e.block_number, e.block_hash, e.tx_hash, e.tx_index
FROM contract_event e
LEFT JOIN payment_proof f
    ON (f.chain_id, f.tx_hash, f.block_hash) = (e.chain_id, e.tx_hash, e.block_hash)
WHERE e.chain_id = $1 AND e.contract = 'minting_module' AND e.name = 'BatchAccepted'
    AND e.block_number >= $2 AND e.canonical AND f.tx_hash IS NULL
ORDER BY 1, 4 LIMIT $3
"""

INSERT = """
INSERT INTO payment_proof (chain_id, tx_hash, block_hash, document)
SELECT $1, new.* FROM unnest($2::bytea[], $3::bytea[], $4::bytea[]) AS new
ON CONFLICT DO NOTHING
"""

# Of a payment that moved to another block only the proof of where it stands now is of use.
READ = """
SELECT f.tx_hash IS NOT NULL AS is_stored, f.document
FROM transfer t
LEFT JOIN payment p USING (chain_id, block_hash, log_index)
LEFT JOIN refund_claim k USING (chain_id, block_hash, log_index)
LEFT JOIN payment_proof f
    ON (f.chain_id, f.tx_hash, f.block_hash) = (t.chain_id, t.tx_hash, t.block_hash)
WHERE t.chain_id = $1 AND t.tx_hash = $2 AND t.canonical
    AND (p.order_id IS NOT NULL OR k.refund_id IS NOT NULL)
LIMIT 1
"""


READ_OF_BATCH = """
SELECT f.tx_hash IS NOT NULL AS is_stored, f.document
FROM contract_event e
LEFT JOIN payment_proof f
    ON (f.chain_id, f.tx_hash, f.block_hash) = (e.chain_id, e.tx_hash, e.block_hash)
WHERE e.chain_id = $1 AND e.contract = 'minting_module' AND e.name = 'BatchAccepted'
    AND e.canonical
    AND e.arguments @> jsonb_build_object('dairy', $2::text, 'batch_id', $3::text)
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class MissingProof:
    """A transaction that pays an order, or mints a batch, and has no proof yet."""

    block_number: int
    block_hash: bytes
    tx_hash: bytes
    tx_index: int


@dataclass(frozen=True, slots=True)
class StoredProof:
    """What is kept of a payment's proof; neither document nor stored means not yet."""

    is_stored: bool
    document: bytes | None


async def find_missing_proofs(
    connection: Connection, chain_id: int, *, since_number: int, limit: int
) -> list[MissingProof]:
    """Canonical payments and batches from a block on that have no proof yet, oldest first."""
    rows = await connection.fetch(MISSING, chain_id, since_number, limit)
    return [MissingProof(*row) for row in rows]


async def insert_proofs(
    connection: Connection, chain_id: int, proofs: Sequence[tuple[MissingProof, bytes | None]]
) -> None:
    """Keep proofs; None as the document notes that there is none that could be kept."""
    await connection.execute(
        INSERT,
        chain_id,
        [missing.tx_hash for missing, _ in proofs],
        [missing.block_hash for missing, _ in proofs],
        [document for _, document in proofs],
    )


async def read_proof(connection: Connection, chain_id: int, tx_hash: bytes) -> StoredProof | None:
    """The proof of a canonical payment; None when this transaction pays no order."""
    row = await connection.fetchrow(READ, chain_id, tx_hash)
    return None if row is None else StoredProof(*row)


async def read_batch_proof(
    connection: Connection, chain_id: int, *, dairy: str, batch_id: str
) -> StoredProof | None:
    """The proof of the transaction that minted a batch; None when there is no such batch."""
    row = await connection.fetchrow(READ_OF_BATCH, chain_id, dairy, batch_id)
    return None if row is None else StoredProof(*row)
