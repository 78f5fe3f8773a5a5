"""Holds an order back when its payer or store has too much released that is not final."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import asyncpg

from ledger.exposure import Release, held_back
from ledger.order import Depths, Finality, Order, Payment, PolicyReason, Standing, Status, standing
from ledger.store.pool import Connection
from ledger.units import Sen

# What is being recomputed counts by what it is now, not by what was stored.
EXPOSED = """
SELECT payer, store_id, sum(amount_myr)::bigint AS amount_myr
FROM orders o
WHERE chain_id = $1 AND status = 'paid' AND covering_number > $2 AND required_finality = 'included'
    AND NOT EXISTS (SELECT 1 FROM unnest($3::text[]) AS now (id) WHERE now.id = o.id)
GROUP BY GROUPING SETS ((payer), (store_id))
HAVING payer = ANY($4::bytea[]) OR store_id = ANY($5::text[])
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """A stored order and where it stands now."""

    row: asyncpg.Record
    order: Order
    payments: Sequence[Payment]
    after: Standing

    @property
    def is_newly_released(self) -> bool:
        """Whether it is to be handed over now, for the first time, and before its block is safe.

        One that was paid before stays so: its milk has gone, and waiting would protect nothing.
        """
        return (
            self.after.status is Status.PAID
            and self.order.required_finality is Finality.INCLUDED
            and not self.order.was_paid
            and (self.payer_limit is not None or self.store_limit is not None)
        )

    @property
    def payer_limit(self) -> Sen | None:
        """What its payer may have released at once, as it was when the order was made."""
        return _limit(self.row["payer_exposure_limit"])

    @property
    def store_limit(self) -> Sen | None:
        """What its store may have released at once, as it was when the order was made."""
        return _limit(self.row["store_exposure_limit"])


async def within_exposure(
    connection: Connection, judged: Sequence[Judged], depths: Depths
) -> Sequence[Judged]:
    """The orders again; those that would expose payer or store too much wait for `safe`.

    The required depth is only ever raised. Reads the ledger only when there is a release that a
    limit could bind.
    """
    releases = [
        _release(one) for one in judged if one.is_newly_released and _is_shallow(one, depths)
    ]
    if not releases:
        return judged
    candidates = {release.order_id for release in releases}
    exposed = await connection.fetch(
        EXPOSED,
        judged[0].row["chain_id"],
        depths.finalized_number,
        [one.order.id for one in judged],
        list({release.payer for release in releases}),
        list({release.store_id for release in releases}),
    )
    by_payer = Counter({row["payer"]: row["amount_myr"] for row in exposed})
    by_store = Counter({row["store_id"]: row["amount_myr"] for row in exposed})
    for one in judged:
        covering = one.after.covering
        if one.order.id not in candidates and covering is not None and _exposes(one):
            by_payer[covering.sender] += one.order.amount_myr
            by_store[one.row["store_id"]] += one.order.amount_myr
    reasons = held_back(releases, by_payer=by_payer, by_store=by_store)
    return [_raised(one, reasons.get(one.order.id), depths) for one in judged]


def _release(judged: Judged) -> Release:
    covering = judged.after.covering
    if covering is None:
        raise ValueError("an order is paid by a payment")
    return Release(
        order_id=judged.order.id,
        store_id=judged.row["store_id"],
        payer=covering.sender,
        amount_myr=judged.order.amount_myr,
        place=(covering.block_number, covering.log_index),
        payer_limit=judged.payer_limit,
        store_limit=judged.store_limit,
    )


def _is_shallow(judged: Judged, depths: Depths) -> bool:
    covering = judged.after.covering
    return covering is not None and depths.finality(covering.block_number) is Finality.INCLUDED


def _exposes(judged: Judged) -> bool:
    """Whether it is released on a block that is not final, which `paid` says of it."""
    is_at_inclusion = judged.order.required_finality is Finality.INCLUDED
    return judged.after.status is Status.PAID and is_at_inclusion


def _raised(judged: Judged, reason: PolicyReason | None, depths: Depths) -> Judged:
    if reason is None:
        return judged
    order = replace(judged.order, required_finality=Finality.SAFE, policy_reason=reason)
    after = standing(order, judged.payments, depths)
    return replace(judged, order=order, after=after)


def _limit(value: int | None) -> Sen | None:
    return None if value is None else Sen(value)
