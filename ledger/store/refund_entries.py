"""Tells of refunds in the journal and posts what that moves, always both together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ledger.journal import Event
from ledger.refund import Refund, RefundStatus, posting, refund_event
from ledger.store.journal import append_events
from ledger.store.pool import Connection

POST = """
INSERT INTO refund_entry (
    seq, refund_id, order_id, debit, credit, amount, account_id, note, created_at
)
SELECT new.*, $9
FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::text[],
    $8::text[]
) AS new
"""

CHAIN = "chain"
"""Who moved the amount, where it was a block and nobody's account."""


@dataclass(frozen=True, slots=True)
class RefundChange:
    """A refund's step from one status to another, who took it, and with which words."""

    refund: Refund
    before: RefundStatus | None
    after: RefundStatus
    account_id: str
    note: str = ""
    proof: Mapping[str, Any] | None = None

    @property
    def event(self) -> Event:
        """What the journal says of it."""
        return refund_event(self.refund, self.before, self.after, proof=self.proof)


async def append_changes(
    connection: Connection, changes: Sequence[RefundChange], *, now: datetime
) -> list[int]:
    """Append the changes' events and entries; returns the events' numbers, in order.

    Call it late in a transaction, with the orders locked, as `append_events` wants.
    """
    numbers = await append_events(connection, [change.event for change in changes], now=now)
    moved = [
        (seq, change, entry)
        for seq, change in zip(numbers, changes, strict=True)
        if (
            entry := posting(
                change.refund.reason, change.refund.amount, change.before, change.after
            )
        )
    ]
    if moved:
        await connection.execute(
            POST,
            [seq for seq, _, _ in moved],
            [change.refund.id for _, change, _ in moved],
            [change.refund.order_id for _, change, _ in moved],
            [str(entry.debit) for _, _, entry in moved],
            [str(entry.credit) for _, _, entry in moved],
            [Decimal(entry.amount) for _, _, entry in moved],
            [change.account_id for _, change, _ in moved],
            [change.note for _, change, _ in moved],
            now,
        )
    return numbers
