"""Standing orders that payers registered, what the contract said of them, and who was tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from ledger.store.pool import Connection

INSERT = """
INSERT INTO standing_order (
    chain_id, order_hash, contract, payer, merchant, into_vaults, litres, period_seconds,
    price_mode, fixed_price, max_price, rate, starts_at, ends_at, nonce, signature, account_id,
    registered_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT DO NOTHING
"""

LOCK_ACCOUNT = "SELECT pg_advisory_xact_lock(hashtextextended('standing orders ' || $1, 0))"

COUNT_OF_ACCOUNT = """
SELECT count(*) FROM standing_order WHERE chain_id = $1 AND account_id = $2 AND ends_at > $3
"""

# What the contract said is looked up by the order's hash, a cancellation by payer and nonce.
_STANDING = """
SELECT s.*, c.period AS collected_period, c.count AS collected_count, c.units AS collected_units,
       x.is_cancelled, a.outcome AS last_outcome, a.reason AS last_reason, a.period AS last_period,
       a.tx_hash AS last_tx_hash, a.tx_nonce AS last_tx_nonce, a.attempted_at AS last_attempted_at,
       a.sent AS last_sent_count
FROM standing_order s
CROSS JOIN LATERAL (
    SELECT max((e.arguments ->> 'period')::numeric) AS period, count(*) AS count,
           coalesce(sum((e.arguments ->> 'units')::numeric), 0) AS units
    FROM contract_event e
    WHERE e.chain_id = s.chain_id AND e.contract = 'standing_orders' AND e.name = 'Collected'
        AND e.canonical
        AND e.arguments @> jsonb_build_object('order_hash', '0x' || encode(s.order_hash, 'hex'))
) c
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT 1 FROM contract_event e
        WHERE e.chain_id = s.chain_id AND e.contract = 'standing_orders'
            AND e.name = 'StandingOrderCancelled' AND e.canonical
            AND e.arguments @> jsonb_build_object(
                'payer', '0x' || encode(s.payer, 'hex'), 'nonce', s.nonce::text
            )
    ) AS is_cancelled
) x
LEFT JOIN LATERAL (
    SELECT t.*, (
        SELECT count(*) FROM collection_attempt n
        WHERE n.chain_id = t.chain_id AND n.order_hash = t.order_hash AND n.period = t.period
            AND n.outcome = 'sent'
    ) AS sent
    FROM collection_attempt t
    WHERE t.chain_id = s.chain_id AND t.order_hash = s.order_hash ORDER BY t.id DESC LIMIT 1
) a ON true
WHERE s.chain_id = $1
"""

READ = _STANDING + " AND s.order_hash = $2"

LIST = (
    _STANDING  # noqa: S608 - our own statement
    + """
AND ($2::text IS NULL OR s.account_id = $2)
AND ($3::bytea IS NULL OR (s.registered_at, s.order_hash) < (
    SELECT p.registered_at, p.order_hash FROM standing_order p
    WHERE p.chain_id = $1 AND p.order_hash = $3
))
ORDER BY s.registered_at DESC, s.order_hash DESC LIMIT $4
"""
)

# Drawn by lot, since not every try is noted: who cannot pay, or is given up, holds up nobody when
# more are due than one run looks at, and nobody can choose a place in front.
DUE = (
    _STANDING
    + """
AND s.contract = $2 AND s.starts_at <= $3 AND s.ends_at > $3 AND NOT x.is_cancelled
AND (c.period IS NULL OR c.period < ($3 - s.starts_at) / s.period_seconds)
ORDER BY random() LIMIT $4
"""
)

INSERT_ATTEMPT = """
INSERT INTO collection_attempt (
    chain_id, order_hash, period, outcome, reason, tx_hash, tx_nonce, promised_wei, attempted_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

PROMISED = """
SELECT coalesce(sum(promised_wei), 0) FROM (
    SELECT DISTINCT tx_hash, promised_wei FROM collection_attempt
    WHERE chain_id = $1 AND outcome = 'sent' AND attempted_at > $2
) spent
"""

# A transaction collects many orders: each account is charged for its own ones.
PROMISED_BY_ACCOUNT = """
SELECT s.account_id, sum(a.promised_wei / a.orders) AS promised
FROM (
    SELECT chain_id, order_hash, promised_wei, count(*) OVER (PARTITION BY tx_hash) AS orders
    FROM collection_attempt WHERE chain_id = $1 AND outcome = 'sent' AND attempted_at > $2
) a
JOIN standing_order s ON s.chain_id = a.chain_id AND s.order_hash = a.order_hash
GROUP BY s.account_id
"""


@dataclass(frozen=True, slots=True)
class SignedStandingOrder:
    """A payer's signed terms; amounts and prices in base units, times in Unix seconds."""

    chain_id: int
    order_hash: bytes
    contract: bytes
    payer: bytes
    merchant: bytes
    into_vaults: bool
    litres: int
    period_seconds: int
    price_mode: int
    fixed_price: int
    max_price: int
    rate: int
    starts_at: int
    ends_at: int
    nonce: int
    signature: bytes
    account_id: str
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class StandingRecord:
    """A registered standing order with what the chain says of it, and the last attempt at it."""

    order: SignedStandingOrder
    collected_period: int | None
    collected_count: int
    collected_units: int
    is_cancelled: bool
    last_outcome: str | None
    last_reason: str | None
    last_period: int | None
    last_tx_hash: bytes | None
    last_tx_nonce: int | None
    last_attempted_at: datetime | None
    last_sent_count: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the keeper did about a period: `sent` a transaction, or `skipped` it for a reason."""

    order_hash: bytes
    period: int
    outcome: str
    reason: str | None = None
    tx_hash: bytes | None = None
    tx_nonce: int | None = None
    promised_wei: int = 0


async def insert_standing_order(connection: Connection, order: SignedStandingOrder) -> bool:
    """Register a standing order; the same one again changes nothing, and is no news (False)."""
    done = await connection.execute(
        INSERT,
        *(order.chain_id, order.order_hash, order.contract, order.payer, order.merchant),
        *(order.into_vaults, Decimal(order.litres), order.period_seconds, order.price_mode),
        *(Decimal(order.fixed_price), Decimal(order.max_price), Decimal(order.rate)),
        *(order.starts_at, order.ends_at, Decimal(order.nonce), order.signature),
        *(order.account_id, order.registered_at),
    )
    return done == "INSERT 0 1"


async def count_of_account(
    connection: Connection, chain_id: int, account_id: str, *, now: int
) -> int:
    """How many of an account's have not ended; until the transaction ends nobody adds one."""
    await connection.execute(LOCK_ACCOUNT, account_id)
    count: int = await connection.fetchval(COUNT_OF_ACCOUNT, chain_id, account_id, now)
    return count


async def read_standing_order(
    connection: Connection, chain_id: int, order_hash: bytes
) -> StandingRecord | None:
    """One standing order, or None."""
    row = await connection.fetchrow(READ, chain_id, order_hash)
    return None if row is None else _record(row)


async def list_standing_orders(
    connection: Connection,
    chain_id: int,
    *,
    account_id: str | None,
    before: bytes | None,
    limit: int,
) -> list[StandingRecord]:
    """Standing orders, the newest first; of one account, or of all."""
    rows = await connection.fetch(LIST, chain_id, account_id, before, limit)
    return [_record(row) for row in rows]


async def find_due(
    connection: Connection, chain_id: int, *, contract: bytes, now: int, limit: int
) -> list[StandingRecord]:
    """Standing orders whose current period nobody has collected yet, by the ledger; any `limit`."""
    rows = await connection.fetch(DUE, chain_id, contract, now, limit)
    return [_record(row) for row in rows]


async def insert_attempts(
    connection: Connection, chain_id: int, attempts: Sequence[Attempt], *, now: datetime
) -> None:
    """Note what was done."""
    for attempt in attempts:
        await connection.execute(
            INSERT_ATTEMPT,
            *(chain_id, attempt.order_hash, attempt.period, attempt.outcome, attempt.reason),
            *(attempt.tx_hash, attempt.tx_nonce, Decimal(attempt.promised_wei), now),
        )


async def read_promised(connection: Connection, chain_id: int, *, since: datetime) -> int:
    """What all collections sent since then can cost together, in wei."""
    return int(await connection.fetchval(PROMISED, chain_id, since))


async def read_promised_by_account(
    connection: Connection, chain_id: int, *, since: datetime
) -> dict[str, int]:
    """What the collections sent since then can cost for each account's orders, in wei."""
    rows = await connection.fetch(PROMISED_BY_ACCOUNT, chain_id, since)
    return {row["account_id"]: int(row["promised"]) for row in rows}


def _record(row: asyncpg.Record) -> StandingRecord:
    fields: dict[str, Any] = dict(row)
    names = SignedStandingOrder.__dataclass_fields__
    terms = {name: fields.pop(name) for name in names}
    for name in ("litres", "fixed_price", "max_price", "rate", "nonce"):
        terms[name] = int(terms[name])
    period = fields["collected_period"]
    fields["collected_period"] = None if period is None else int(period)
    fields["collected_units"] = int(fields["collected_units"])
    fields["last_sent_count"] = fields["last_sent_count"] or 0
    return StandingRecord(order=SignedStandingOrder(**terms), **fields)
