"""What blocks lead to: refunds that they prove and orders that they move, told in the journal."""

from collections.abc import Collection
from datetime import datetime

from ledger.journal import Event
from ledger.order import Depths
from ledger.store.pool import Connection
from ledger.store.refund_proofs import (
    DueRefunds,
    find_due_refunds,
    move_refunds,
    tell_refunds,
)
from ledger.store.standings import refresh_standings


async def draw_consequences(
    connection: Connection,
    chain_id: int,
    affected: Collection[str],
    depths: Depths,
    *,
    now: datetime,
    retracted_above: int | None = None,
    refunds: DueRefunds | None = None,
) -> list[Event]:
    """Bring refunds and then the affected orders up to date; returns the events, in order.

    Refunds move first, for what an order still owes back depends on them. Without `refunds` those
    that the chain may have moved are found here. After a reorganisation `retracted_above` is its
    fork's number. The caller holds the cursor's lock.
    """
    if refunds is None:
        refunds = await find_due_refunds(
            connection, chain_id, depths, retracted_above=retracted_above
        )
    changes = await move_refunds(
        connection,
        chain_id,
        refunds,
        depths,
        now=now,
        order_ids=affected,
        retracted_above=retracted_above,
    )
    order_ids = refunds.order_ids.union(affected)
    moved = await refresh_standings(
        connection, order_ids, depths, now=now, retracted_above=retracted_above
    )
    return [*moved, *await tell_refunds(connection, changes, now=now)]
