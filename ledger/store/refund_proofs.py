"""Brings refunds in line with the chain: which transfer proves which, and what that moves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ledger.journal import Event
from ledger.json_hex import to_hex
from ledger.order import Depths
from ledger.refund import (
    Outgoing,
    Refund,
    RefundStatus,
    match,
    refund_status,
)
from ledger.store.pool import Connection
from ledger.store.refund_entries import CHAIN, RefundChange, append_changes
from ledger.store.refunds import read_refund
from ledger.units import Units

# Those whose transaction is new to the ledger, may have left it, has come back, or is final now.
# The index holds only refunds that still wait for the chain, so without any this costs nothing.
DUE = """
SELECT r.id, r.order_id FROM refund r
WHERE r.chain_id = $1 AND r.tx_hash IS NOT NULL AND r.status <> 'settled' AND (
    r.seen_number > $2
    OR r.status = 'verified' AND r.seen_number <= $3
    OR r.seen_number IS NULL AND EXISTS (
        SELECT 1 FROM transfer t
        WHERE t.chain_id = r.chain_id AND t.tx_hash = r.tx_hash AND t.canonical
    )
    OR r.status <> 'verified' AND EXISTS (
        SELECT 1 FROM refund_claim k JOIN transfer t USING (chain_id, block_hash, log_index)
        WHERE k.refund_id = r.id AND t.canonical
    )
)
"""

WAITING = """
SELECT id, order_id FROM refund
WHERE chain_id = $1 AND (tx_hash IS NOT NULL AND status <> 'settled' OR id = ANY($2::text[]))
"""

LOCK_ORDERS = "SELECT FROM orders WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"

LOCK = """
SELECT id, order_id, reason, amount, recipient, since_number, cancelled_at, tx_hash, tx_seq, status,
       seen_number
FROM refund WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE
"""

CLAIMS = """
SELECT k.refund_id, t.tx_hash, t.block_hash, t.block_number, t.log_index, t.canonical
FROM refund_claim k JOIN transfer t USING (chain_id, block_hash, log_index)
WHERE k.refund_id = ANY($1::text[])
"""

SEEN = """
SELECT t.tx_hash, t.block_hash, t.block_number, t.log_index, t.recipient, t.amount,
       t.sender = c.treasury AND k.refund_id IS NULL AS may_prove
FROM transfer t
JOIN chain c ON c.chain_id = t.chain_id
LEFT JOIN refund_claim k
    ON (k.chain_id, k.block_hash, k.log_index) = (t.chain_id, t.block_hash, t.log_index)
WHERE t.chain_id = $1 AND t.tx_hash = ANY($2::bytea[]) AND t.canonical
"""

CLAIM = """
INSERT INTO refund_claim (chain_id, block_hash, log_index, refund_id)
SELECT $1, new.* FROM unnest($2::bytea[], $3::integer[], $4::text[]) AS new
"""

SAVE = """
UPDATE refund AS r SET
    status = new.status,
    seen_number = new.seen_number,
    verified_at = CASE WHEN new.status IN ('verified', 'settled') THEN coalesce(r.verified_at, $4)
                  ELSE r.verified_at END,
    settled_at = CASE WHEN new.status = 'settled' THEN coalesce(r.settled_at, $4)
                 ELSE r.settled_at END
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS new (id, status, seen_number)
WHERE r.id = new.id
"""

SET_VERSIONS = """
UPDATE refund AS r SET version = new.version
FROM unnest($1::text[], $2::bigint[]) AS new (id, version) WHERE r.id = new.id
"""

SUM_UP = """
UPDATE orders o SET amount_refunded = sums.refunded, amount_repaid = sums.repaid
FROM (
    SELECT wanted.order_id, coalesce(sum(r.amount), 0) AS refunded,
           coalesce(sum(r.amount) FILTER (WHERE r.source = 'owed_back'), 0) AS repaid
    FROM unnest($1::text[]) AS wanted (order_id)
    LEFT JOIN refund r ON r.order_id = wanted.order_id AND r.status IN ('verified', 'settled')
    GROUP BY wanted.order_id
) sums
WHERE o.id = sums.order_id
"""


@dataclass(frozen=True, slots=True)
class DueRefunds:
    """Refunds that a block may move, and the orders that they are of."""

    ids: frozenset[str]
    order_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Proof:
    """Where a claimed transfer stands, or stood before its block left the chain."""

    tx_hash: bytes
    block_hash: bytes
    block_number: int
    log_index: int


@dataclass(frozen=True, slots=True)
class _Judged:
    """A stored refund and where it stands now; `number` is where its transaction was seen."""

    row: asyncpg.Record
    refund: Refund
    proof: _Proof | None
    number: int | None
    after: RefundStatus

    @property
    def before(self) -> RefundStatus:
        return RefundStatus(self.row["status"])

    def is_told(self, retracted_above: int | None) -> bool:
        """Whether its status changed, or a reorganisation put its proof into another block."""
        if self.after is not self.before:
            return True
        stood: int | None = self.row["seen_number"]
        if self.proof is None or retracted_above is None or stood is None:
            return False
        return min(stood, self.proof.block_number) > retracted_above

    @property
    def change(self) -> RefundChange:
        shown = None
        if self.proof is not None:
            shown = {
                "blockNumber": self.proof.block_number,
                "blockHash": to_hex(self.proof.block_hash),
                "logIndex": self.proof.log_index,
            }
        return RefundChange(self.refund, self.before, self.after, CHAIN, proof=shown)


async def find_due_refunds(
    connection: Connection, chain_id: int, depths: Depths, *, retracted_above: int | None = None
) -> DueRefunds:
    """The refunds that new blocks, retracted ones or new depths may move."""
    rows = await connection.fetch(DUE, chain_id, retracted_above, depths.finalized_number)
    return _due(rows)


async def find_refunds(connection: Connection, chain_id: int, ids: Collection[str]) -> DueRefunds:
    """All refunds that wait for the chain, and those named."""
    return _due(await connection.fetch(WAITING, chain_id, list(ids)))


async def move_refunds(
    connection: Connection,
    chain_id: int,
    due: DueRefunds,
    depths: Depths,
    *,
    now: datetime,
    order_ids: Collection[str] = (),
    retracted_above: int | None = None,
) -> list[RefundChange]:
    """Claim transfers for the refunds and bring them and their orders' sums up to date.

    Only the block transaction calls this, so that one writer at a time claims. It locks
    `order_ids` with the refunds' own orders, all at once as every writer does. Returns what
    `tell_refunds` has to tell once the standings of those orders are refreshed: the journal is
    locked last.
    """
    if not due.ids:
        return []
    await connection.execute(LOCK_ORDERS, list(due.order_ids.union(order_ids)))
    judged = await _judge(connection, chain_id, due, depths)
    await connection.execute(
        SAVE,
        [one.refund.id for one in judged],
        [str(one.after) for one in judged],
        [one.number for one in judged],
        now,
    )
    await connection.execute(SUM_UP, list(due.order_ids))
    return [one.change for one in judged if one.is_told(retracted_above)]


async def tell_refunds(
    connection: Connection, changes: Sequence[RefundChange], *, now: datetime
) -> list[Event]:
    """Append what has become of refunds to the journal and to the books."""
    if not changes:
        return []
    numbers = await append_changes(connection, changes, now=now)
    await connection.execute(SET_VERSIONS, [change.refund.id for change in changes], numbers)
    return [change.event for change in changes]


async def _judge(
    connection: Connection, chain_id: int, due: DueRefunds, depths: Depths
) -> list[_Judged]:
    rows = await connection.fetch(LOCK, list(due.ids))
    refunds = [read_refund(row) for row in rows]
    hashes = [refund.tx_hash for refund in refunds if refund.tx_hash is not None]
    seen = await connection.fetch(SEEN, chain_id, hashes)
    seen_at = {row["tx_hash"]: row["block_number"] for row in seen}
    claims = await connection.fetch(CLAIMS, list(due.ids))
    proofs = {row["refund_id"]: _proof(row) for row in claims if row["canonical"]}
    proofs |= await _claim(connection, chain_id, refunds, proofs, seen)
    # Of another transaction than the one that counts, a claim that has gone tells nothing.
    gone = {(row["refund_id"], row["tx_hash"]) for row in claims}
    judged = []
    for row, refund in zip(rows, refunds, strict=True):
        proof = proofs.get(refund.id)
        number = seen_at.get(refund.tx_hash) if proof is None else proof.block_number
        after = refund_status(
            refund,
            proof_number=None if proof is None else proof.block_number,
            is_seen=number is not None,
            was_proved=(refund.id, refund.tx_hash) in gone,
            depths=depths,
        )
        judged.append(_Judged(row, refund, proof, number, after))
    return judged


async def _claim(
    connection: Connection,
    chain_id: int,
    refunds: Sequence[Refund],
    proofs: Mapping[str, _Proof],
    seen: Sequence[asyncpg.Record],
) -> dict[str, _Proof]:
    """Let the refunds that have no proof claim what nobody has; returns their new proofs."""
    waiting = [refund for refund in refunds if refund.id not in proofs]
    found = match(waiting, [_outgoing(row) for row in seen if row["may_prove"]])
    if found:
        await connection.execute(
            CLAIM,
            chain_id,
            [transfer.block_hash for transfer in found.values()],
            [transfer.log_index for transfer in found.values()],
            list(found),
        )
    return {
        refund_id: _Proof(one.tx_hash, one.block_hash, one.block_number, one.log_index)
        for refund_id, one in found.items()
    }


def _due(rows: Sequence[asyncpg.Record]) -> DueRefunds:
    return DueRefunds(
        frozenset(row["id"] for row in rows), frozenset(row["order_id"] for row in rows)
    )


def _proof(row: asyncpg.Record) -> _Proof:
    return _Proof(row["tx_hash"], row["block_hash"], row["block_number"], row["log_index"])


def _outgoing(row: asyncpg.Record) -> Outgoing:
    return Outgoing(
        tx_hash=row["tx_hash"],
        block_hash=row["block_hash"],
        block_number=row["block_number"],
        log_index=row["log_index"],
        recipient=row["recipient"],
        amount=Units(int(row["amount"])),
    )
