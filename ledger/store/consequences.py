"""What blocks lead to: refunds that they prove and orders that they move, told in the journal."""

from collections.abc import Collection
from datetime import datetime

from ledger.journal import Event
from ledger.store.cursor import Cursor, move_cursor
from ledger.store.journal import notify, read_last_seq
from ledger.store.pool import Connection
from ledger.store.refund_proofs import (
    DueRefunds,
    find_due_refunds,
    move_refunds,
    tell_refunds,
)
from ledger.store.standings import find_due_orders, refresh_standings


async def move_on(
    connection: Connection,
    chain_id: int,
    affected: Collection[str],
    *,
    before: Cursor,
    after: Cursor,
    now: datetime,
    retracted_above: int | None = None,
) -> list[Event]:
    """Move the cursor and draw the consequences, also for orders that only time or depth moves."""
    due = await find_due_orders(
        connection, chain_id, after.depths, tip_timestamp_before=before.tip_timestamp
    )
    await move_cursor(connection, chain_id, after)
    return await draw_consequences(
        connection, chain_id, due.union(affected), after, now=now, retracted_above=retracted_above
    )


async def draw_consequences(
    connection: Connection,
    chain_id: int,
    affected: Collection[str],
    cursor: Cursor,
    *,
    now: datetime,
    retracted_above: int | None = None,
    refunds: DueRefunds | None = None,
) -> list[Event]:
    """Bring refunds and then the affected orders up to date, and wake the oracles.

    Returns the events, in order. Refunds move first, for what an order still owes back depends on
    them. Without `refunds` those that the chain may have moved are found here. After a
    reorganisation `retracted_above` is its fork's number. The caller holds the cursor's lock.
    """
    depths = cursor.depths
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
    events = [*moved, *await tell_refunds(connection, changes, now=now)]
    last_seq = await read_last_seq(connection) if events else None
    await notify(connection, tip_number=cursor.tip.number, last_seq=last_seq)
    return events
