"""Takes blocks off the canonical chain; their rows stay."""

from ledger.store.contract_events import retract_events
from ledger.store.pool import Connection

RETRACT_BLOCKS = """
UPDATE block SET canonical = false
WHERE chain_id = $1 AND number > $2 AND canonical
RETURNING hash
"""

RETRACT_TRANSFERS = """
UPDATE transfer SET canonical = false WHERE chain_id = $1 AND block_hash = ANY($2::bytea[])
"""

AFFECTED_ORDERS = """
SELECT DISTINCT order_id FROM payment WHERE chain_id = $1 AND block_hash = ANY($2::bytea[])
"""


async def retract_above(connection: Connection, chain_id: int, number: int) -> set[str]:
    """Retract every canonical block above `number`; returns the ids of the orders it touches."""
    rows = await connection.fetch(RETRACT_BLOCKS, chain_id, number)
    hashes = [row["hash"] for row in rows]
    await connection.execute(RETRACT_TRANSFERS, chain_id, hashes)
    await retract_events(connection, chain_id, hashes)
    affected = await connection.fetch(AFFECTED_ORDERS, chain_id, hashes)
    return {row["order_id"] for row in affected}
