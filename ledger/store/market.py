"""Reads the market's offers and purchases out of its contract's events."""

from dataclasses import dataclass
from typing import Any

import asyncpg

from ledger.store.pool import Connection

# What is left of an offer is what was listed less what was bought; a withdrawal ends it.
OFFERS = """
SELECT o.block_number, o.log_index, o.tx_hash, o.arguments,
       (SELECT coalesce(sum((p.arguments ->> 'quantity')::numeric), 0) FROM contract_event p
        WHERE p.chain_id = o.chain_id AND p.contract = o.contract AND p.name = 'Purchased'
            AND p.canonical
            AND p.arguments @> jsonb_build_object('offer_id', o.arguments -> 'offer_id')
       ) AS bought,
       EXISTS (SELECT 1 FROM contract_event w
        WHERE w.chain_id = o.chain_id AND w.contract = o.contract AND w.name = 'OfferWithdrawn'
            AND w.canonical
            AND w.arguments @> jsonb_build_object('offer_id', o.arguments -> 'offer_id')
       ) AS is_withdrawn
FROM contract_event o
WHERE o.chain_id = $1 AND o.contract = 'milk_market' AND o.name = 'OfferListed' AND o.canonical
    AND ($2::text IS NULL OR o.arguments @> jsonb_build_object('supplier', $2::text))
    AND ($3::bigint IS NULL OR (o.block_number, o.log_index) < ($3, $4::integer))
ORDER BY o.block_number DESC, o.log_index DESC LIMIT $5
"""

PURCHASES = """
SELECT p.block_number, p.log_index, p.tx_hash, b."timestamp" AS bought_at, p.arguments,
       coalesce((
           SELECT jsonb_agg(jsonb_build_array(e.name, e.arguments)
                            ORDER BY e.block_number, e.log_index)
           FROM contract_event e
           WHERE e.chain_id = p.chain_id AND e.contract = p.contract AND e.canonical
               AND e.name IN ('DeliveryReported', 'Disputed', 'Redeemed', 'Refunded')
               AND e.arguments @> jsonb_build_object('purchase_id', p.arguments -> 'purchase_id')
       ), '[]'::jsonb) AS later
FROM contract_event p
JOIN block b ON b.chain_id = p.chain_id AND b.hash = p.block_hash
WHERE p.chain_id = $1 AND p.contract = 'milk_market' AND p.name = 'Purchased' AND p.canonical
    AND ($2::text IS NULL OR p.arguments @> jsonb_build_object('dairy', $2::text))
    AND ($3::text IS NULL OR p.arguments @> jsonb_build_object('supplier', $3::text))
    AND ($4::bigint IS NULL OR (p.block_number, p.log_index) < ($4, $5::integer))
ORDER BY p.block_number DESC, p.log_index DESC LIMIT $6
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer as listed, and how much of it was bought; `arguments` are `OfferListed`'s."""

    block_number: int
    log_index: int
    tx_hash: bytes
    arguments: dict[str, Any]
    bought: int
    is_withdrawn: bool


@dataclass(frozen=True, slots=True)
class StoredPurchase:
    """A purchase as it was made, and what was said of it later: names with arguments."""

    block_number: int
    log_index: int
    tx_hash: bytes
    bought_at: int
    arguments: dict[str, Any]
    later: list[tuple[str, dict[str, Any]]]


async def list_offers(
    connection: Connection,
    chain_id: int,
    *,
    supplier: str | None,
    before: tuple[int, int] | None,
    limit: int,
) -> list[Offer]:
    """Offers, newest first, of one supplier or of all."""
    number, index = before or (None, None)
    rows = await connection.fetch(OFFERS, chain_id, supplier, number, index, limit)
    return [Offer(**(dict(row) | {"bought": int(row["bought"])})) for row in rows]


async def list_purchases(
    connection: Connection,
    chain_id: int,
    *,
    dairy: str | None,
    supplier: str | None,
    before: tuple[int, int] | None,
    limit: int,
) -> list[StoredPurchase]:
    """Purchases, newest first, of one dairy, one supplier, or of all."""
    number, index = before or (None, None)
    rows = await connection.fetch(PURCHASES, chain_id, dairy, supplier, number, index, limit)
    return [_purchase(row) for row in rows]


def _purchase(row: asyncpg.Record) -> StoredPurchase:
    later = [(name, said) for name, said in row["later"]]
    return StoredPurchase(**(dict(row) | {"later": later}))
