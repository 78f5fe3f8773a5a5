"""Holds an order back when its payer or store has too much released that is not final."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import asyncpg

from ledger.exposure import Release, held_back
from ledger.order import Depths, Finality, Order, Payment, PolicyReason, Standing, Status, standing
from ledger.store.pool import Connection
from ledger.units import Sen

# A row for each block, not for each order: summing up stays quick however much is sold before the
# chain is final. What was counted and is not so any more is taken back by a row of its own.
EXPOSED = """
SELECT scope, subject, sum(amount_myr)::bigint AS amount_myr FROM exposure_entry
WHERE chain_id = $1 AND scope = 'payer' AND subject = ANY($3::bytea[]) AND number > $2
GROUP BY scope, subject
UNION ALL
SELECT scope, subject, sum(amount_myr)::bigint FROM exposure_entry
WHERE chain_id = $1 AND scope = 'store' AND subject = ANY($4::bytea[]) AND number > $2
GROUP BY scope, subject
"""

POST = """
INSERT INTO exposure_entry (chain_id, seq, scope, subject, number, amount_myr)
SELECT $1, $2, new.* FROM unnest($3::text[], $4::bytea[], $5::bigint[], $6::bigint[]) AS new
"""

Place = tuple[str, bytes, int]
"""Whose exposure it is, `payer` or `store` and which, and the block that has to become final."""

Counts = tuple[tuple[Place, int], ...]
"""Places with what is exposed there, in sen."""


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
    exposed = await _read_exposed(connection, judged[0].row["chain_id"], releases, depths)
    for one in judged:
        for place, amount in _counted_before(one):
            if place[2] > depths.finalized_number:
                exposed[place[:2]] -= amount
        if one.order.id not in candidates:
            for place, amount in _counted_now(one):
                exposed[place[:2]] += amount
    reasons = held_back(
        releases,
        by_payer={subject: held for (scope, subject), held in exposed.items() if scope == "payer"},
        by_store={
            subject.decode(): held for (scope, subject), held in exposed.items() if scope == "store"
        },
    )
    return [_raised(one, reasons.get(one.order.id), depths) for one in judged]


async def post_exposure(connection: Connection, changed: Sequence[Judged], *, seq: int) -> None:
    """Post what these orders expose now and did not before, or the other way round.

    `seq` is the number of the last event that tells of them.
    """
    moved: Counter[Place] = Counter()
    for one in changed:
        if one.after.status is not Status.SETTLED:  # what is final is not summed up any more
            for place, amount in _counted_now(one):
                moved[place] += amount
            for place, amount in _counted_before(one):
                moved[place] -= amount
    rows = sorted((place, amount) for place, amount in moved.items() if amount)
    if rows:
        await connection.execute(
            POST,
            changed[0].row["chain_id"],
            seq,
            [scope for (scope, _, _), _ in rows],
            [subject for (_, subject, _), _ in rows],
            [number for (_, _, number), _ in rows],
            [amount for _, amount in rows],
        )


async def _read_exposed(
    connection: Connection, chain_id: int, releases: Sequence[Release], depths: Depths
) -> Counter[tuple[str, bytes]]:
    rows = await connection.fetch(
        EXPOSED,
        chain_id,
        depths.finalized_number,
        list({release.payer for release in releases}),
        list({release.store_id.encode() for release in releases}),
    )
    return Counter({(row["scope"], row["subject"]): row["amount_myr"] for row in rows})


def _counted_before(judged: Judged) -> Counts:
    row = judged.row
    is_counted = row["status"] == Status.PAID and row["payer"] is not None
    if not is_counted or row["required_finality"] != Finality.INCLUDED:
        return ()
    return _counted(judged, row["payer"], row["covering_number"])


def _counted_now(judged: Judged) -> Counts:
    covering = judged.after.covering
    is_at_inclusion = judged.order.required_finality is Finality.INCLUDED
    if judged.after.status is not Status.PAID or covering is None or not is_at_inclusion:
        return ()
    return _counted(judged, covering.sender, covering.block_number)


def _counted(judged: Judged, payer: bytes, number: int) -> Counts:
    amount, store = judged.order.amount_myr, judged.row["store_id"].encode()
    return (("payer", payer, number), amount), (("store", store, number), amount)


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


def _raised(judged: Judged, reason: PolicyReason | None, depths: Depths) -> Judged:
    if reason is None:
        return judged
    order = replace(judged.order, required_finality=Finality.SAFE, policy_reason=reason)
    after = standing(order, judged.payments, depths)
    return replace(judged, order=order, after=after)


def _limit(value: int | None) -> Sen | None:
    return None if value is None else Sen(value)
