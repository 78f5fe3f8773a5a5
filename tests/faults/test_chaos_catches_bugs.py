"""The chaos test itself is tested: bugs that were planted on purpose are found by some seed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from chaos_run import run_history

from indexer.follow import Follower
from ledger.block import ProvenBlock
from ledger.journal import Event
from ledger.order import Depths, Order, Payment, Standing, standing
from ledger.store import advance, consequences, loyalty, retract, standings, switch
from ledger.store.cursor import Cursor
from ledger.store.pool import Connection

# Bugs are planted in what test_chaos.py has covered; measuring it takes as long again.
pytestmark = pytest.mark.no_cover
_SEEDS = range(1, 61)

Plant = Callable[[pytest.MonkeyPatch], None]


def _forgotten_transfers(patch: pytest.MonkeyPatch) -> None:
    """A retract that leaves the transfers canonical."""
    patch.setattr(retract, "RETRACT_TRANSFERS", "SELECT $1::bigint, $2::bytea[]")


def _forgotten_orders(patch: pytest.MonkeyPatch) -> None:
    """A retract that does not look which orders it touches."""

    async def retract_above(connection: Connection, chain_id: int, number: int) -> set[str]:
        await retract.retract_above(connection, chain_id, number)
        return set()

    patch.setattr(switch, "retract_above", retract_above)


def _late_counts(patch: pytest.MonkeyPatch) -> None:
    """A status that ignores lateness."""

    def patient(order: Order, payments: Sequence[Payment], depths: Depths) -> Standing:
        return standing(replace(order, expires_at=2**62), payments, depths)

    patch.setattr(standings, "standing", patient)


def _no_expiry(patch: pytest.MonkeyPatch) -> None:
    """Orders that only a payment ever moves."""

    async def find_none(*_arguments: Any, **_options: Any) -> set[str]:
        return set()

    patch.setattr(consequences, "find_due_orders", find_none)


def _first_log_only(patch: pytest.MonkeyPatch) -> None:
    """A reader that takes one transfer of each transaction."""

    async def insert_transfers(
        connection: Connection, chain_id: int, branch: Sequence[ProvenBlock], *, are_new: bool
    ) -> int:
        thinned = [
            replace(block, transfers=tuple({t.tx_index: t for t in block.transfers}.values()))
            for block in branch
        ]
        return await advance.insert_transfers(connection, chain_id, thinned, are_new=are_new)

    patch.setattr(switch, "insert_transfers", insert_transfers)


def _event_twice(patch: pytest.MonkeyPatch) -> None:
    """A journal that tells of a payment twice."""
    once = standings.standing_events

    def twice(*arguments: Any) -> list[Event]:
        told = once(*arguments)
        return told * 2 if told[0].type == "order.paid" else told

    patch.setattr(standings, "standing_events", twice)


def _safe_falls_back(patch: pytest.MonkeyPatch) -> None:
    """The bug that seed 3 found: what is safe follows the node down."""

    def deepened(cursor: Cursor, *, safe: Any, finalized: Any) -> Cursor:
        final = cursor.finalized
        if finalized is not None and final.number < finalized.number <= cursor.tip.number:
            final = finalized
        number = min(cursor.safe_number if safe is None else safe.number, cursor.tip.number)
        return replace(cursor, safe_number=max(number, final.number), finalized=final)

    patch.setattr(switch, "deepened", deepened)
    # The follower only hands on what is deeper than it knows, which would hide the bug.
    patch.setattr(
        Follower,
        "_deeper",
        lambda self: (self._consensus.depth.safe, self._consensus.depth.finalized),
    )


def _sibling_unnoticed(patch: pytest.MonkeyPatch) -> None:
    """The bug that seed 60 found: a payment moves to a sibling block and nobody is told."""
    patch.setattr(standings, "_has_moved", lambda *_arguments: False)


def _credited_each_time(patch: pytest.MonkeyPatch) -> None:
    """Loyalty that credits whatever becomes paid, whether it had a point before or not."""
    patch.setattr(
        loyalty, "POSTED", "SELECT ''::text AS order_id, 0 AS points WHERE $1::text[] IS NULL"
    )


def _coupons_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A coupon that stays usable after its points were taken back."""
    patch.setattr(loyalty, "VOID_COUPONS", "SELECT $1::text[], $2::timestamptz")


# With the first seed that found each, to be quick; if histories ever change, others will find it.
_PLANTS = {
    _forgotten_transfers: 1,
    _forgotten_orders: 3,
    _late_counts: 4,
    _no_expiry: 4,
    _first_log_only: 1,
    _event_twice: 3,
    _safe_falls_back: 438,
    _sibling_unnoticed: 36,
    _credited_each_time: 1,
    _coupons_for_ever: 1,
}


@pytest.mark.parametrize("plant", _PLANTS)
async def test_a_planted_bug_is_found(
    witnessed_ledger: Connection, monkeypatch: pytest.MonkeyPatch, plant: Plant
) -> None:
    plant(monkeypatch)
    for seed in (_PLANTS[plant], *_SEEDS):
        if (await run_history(witnessed_ledger, seed)).differences:
            return
    pytest.fail(f"no seed of {len(_SEEDS)} found: {plant.__doc__}")
