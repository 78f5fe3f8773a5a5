"""Reads the published all-milk prices out of the price feed's events."""

from ledger.rate import FeedPrice
from ledger.store.pool import Connection

_PRICES = """
SELECT (arguments ->> 'roundId')::numeric AS round_id, (arguments ->> 'current')::numeric AS price,
       (arguments ->> 'updatedAt')::numeric AS updated_at, block_number
FROM contract_event
WHERE chain_id = $1 AND contract = 'milk_price_feed' AND name = 'AnswerUpdated' AND canonical
"""

NEWEST = _PRICES + " ORDER BY block_number DESC, log_index DESC LIMIT 1"

PAGE = (
    _PRICES
    + """
AND ($2::numeric IS NULL OR (arguments ->> 'roundId')::numeric < $2)
ORDER BY block_number DESC, log_index DESC LIMIT $3
"""
)


async def read_newest_price(connection: Connection, chain_id: int) -> FeedPrice | None:
    """The newest canonical price, or None."""
    found = await connection.fetchrow(NEWEST, chain_id)
    return None if found is None else FeedPrice(*(int(value) for value in found))


async def list_prices(
    connection: Connection, chain_id: int, *, before_round: int | None, limit: int
) -> list[FeedPrice]:
    """Canonical prices, newest first, continuing before a round."""
    rows = await connection.fetch(PAGE, chain_id, before_round, limit)
    return [FeedPrice(*(int(value) for value in row)) for row in rows]
