"""Supply and balances as the ledger's own transfers add up to them."""

from collections.abc import Sequence

from ledger.store.pool import Connection
from ledger.units import Units

ZERO_ADDRESS = bytes(20)

SUPPLY = """
SELECT coalesce(sum(amount) FILTER (WHERE sender = $3), 0)
     - coalesce(sum(amount) FILTER (WHERE recipient = $3), 0)
FROM transfer WHERE chain_id = $1 AND block_number <= $2 AND canonical
"""

BALANCES = """
SELECT holder, sum(amount) FROM (
    SELECT recipient AS holder, amount FROM transfer
    WHERE chain_id = $1 AND block_number <= $2 AND canonical AND recipient = ANY($3::bytea[])
    UNION ALL
    SELECT sender, -amount FROM transfer
    WHERE chain_id = $1 AND block_number <= $2 AND canonical AND sender = ANY($3::bytea[])
) moves GROUP BY holder
"""

SAMPLE_HOLDERS = """
SELECT DISTINCT recipient FROM (
    SELECT recipient FROM transfer
    WHERE chain_id = $1 AND canonical AND recipient <> $3
    ORDER BY md5(block_hash || $4::bytea) LIMIT $2
) sample
"""


async def read_supply(connection: Connection, chain_id: int, block_number: int) -> Units:
    """All BILL minted and not burned up to and with a block."""
    supply = await connection.fetchval(SUPPLY, chain_id, block_number, ZERO_ADDRESS)
    return Units(int(supply))


async def read_balances(
    connection: Connection, chain_id: int, block_number: int, holders: Sequence[bytes]
) -> dict[bytes, Units]:
    """What these holders have after a block; 0 for one that never got anything."""
    rows = await connection.fetch(BALANCES, chain_id, block_number, list(holders))
    found = {row["holder"]: Units(int(row["sum"])) for row in rows}
    return {holder: found.get(holder, Units(0)) for holder in holders}


async def sample_holders(
    connection: Connection, chain_id: int, *, count: int, seed: bytes
) -> list[bytes]:
    """At most `count` holders, other ones for another `seed`."""
    rows = await connection.fetch(SAMPLE_HOLDERS, chain_id, count, ZERO_ADDRESS, seed)
    return [row["recipient"] for row in rows]
