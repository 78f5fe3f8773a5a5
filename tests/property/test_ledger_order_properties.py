"""What holds for the status of any order, whatever was paid when."""

import random
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from lean import search
from ledger_worlds import DUE, payments, worlds

from ledger.order import Depths, Finality, Order, Payment, Status, counts_in_time, standing

World = tuple[Order, list[Payment], Depths]

FINALITY_RANK = {Finality.INCLUDED: 0, Finality.SAFE: 1, Finality.FINALIZED: 2}
RELIABLE_RANK = {Status.DETECTED: 0, Status.PAID: 1, Status.SETTLED: 2}
SURELY_PAID = {Status.PAID, Status.SETTLED}


def in_time(order: Order, paid: list[Payment]) -> int:
    return sum(payment.amount for payment in paid if counts_in_time(order, payment))


@search(120)
@given(worlds(), st.randoms(use_true_random=False))
def test_neither_repetition_nor_the_order_of_the_list_matters(
    world: World, chance: random.Random
) -> None:
    order, paid, depths = world
    shuffled = list(paid)
    chance.shuffle(shuffled)
    assert standing(order, paid, depths) == standing(order, shuffled, depths)


@search(120)
@given(worlds())
def test_paid_means_enough_money_in_time_and_deep_enough(world: World) -> None:
    order, paid, depths = world
    found = standing(order, paid, depths)
    if found.status in SURELY_PAID | {Status.DETECTED}:
        assert in_time(order, paid) >= DUE
        assert found.covering is not None
        depth = depths.finality(found.covering.block_number)
        enough = FINALITY_RANK[depth] >= FINALITY_RANK[order.required_finality]
        assert enough == (found.status in SURELY_PAID)
    elif not order.is_cancelled:
        assert in_time(order, paid) < DUE
        assert found.covering is None


@search(120)
@given(worlds())
def test_settled_means_finalized_and_nothing_else(world: World) -> None:
    order, paid, depths = world
    found = standing(order, paid, depths)
    final = [item for item in paid if item.block_number <= depths.finalized_number]
    covered_in_final = in_time(order, final) >= DUE and not order.is_cancelled
    assert (found.status is Status.SETTLED) == covered_in_final


@search(120)
@given(worlds())
def test_every_unit_is_kept_or_owed_back(world: World) -> None:
    order, paid, depths = world
    found = standing(order, paid, depths)
    assert found.amount_received == sum(payment.amount for payment in paid)
    kept = found.amount_received - found.amount_owed_back
    is_open = depths.tip_timestamp <= order.expires_at
    if found.status in RELIABLE_RANK:
        assert kept == DUE
    elif found.status is Status.UNDERPAID and is_open:
        assert 0 < kept < DUE
        assert found.amount_owed_back == 0
    else:
        assert kept == 0


@search(120)
@given(worlds())
def test_a_cancelled_order_owes_everything_back(world: World) -> None:
    order, paid, depths = world
    found = standing(replace(order, is_cancelled=True), paid, depths)
    assert found.status is Status.CANCELLED
    assert found.amount_owed_back == found.amount_received
    assert found.covering is None


@search(120)
@given(worlds(), st.integers(0, 30), st.integers(0, 30))
def test_more_finality_never_makes_a_payment_less_reliable(
    world: World, safe: int, finalized: int
) -> None:
    order, paid, depths = world
    deeper = replace(
        depths,
        safe_number=min(depths.tip_number, max(depths.safe_number, safe, finalized)),
        finalized_number=min(depths.tip_number, max(depths.finalized_number, finalized)),
    )
    before, after = standing(order, paid, depths), standing(order, paid, deeper)
    assert before.amount_owed_back == after.amount_owed_back
    if before.status in RELIABLE_RANK:
        assert RELIABLE_RANK[after.status] >= RELIABLE_RANK[before.status]
    else:
        assert after == before


@search(120)
@given(worlds(), st.integers(1, 5), st.integers(1, 200))
def test_a_growing_chain_never_makes_a_paid_order_unpaid(
    world: World, blocks: int, seconds: int
) -> None:
    """Time alone, without a reorganisation, takes nothing from whoever paid in time."""
    order, paid, depths = world
    grown = replace(
        depths,
        tip_number=depths.tip_number + blocks,
        tip_timestamp=depths.tip_timestamp + seconds,
    )
    before, after = standing(order, paid, depths), standing(order, paid, grown)
    if before.status is Status.AWAITING_PAYMENT:
        expired = grown.tip_timestamp > order.expires_at
        assert after.status is (Status.EXPIRED if expired else Status.AWAITING_PAYMENT)
    else:
        assert after.status is before.status


@search(120)
@given(st.data())
def test_a_later_payment_never_displaces_the_one_that_covered(data: st.DataObject) -> None:
    order, paid, depths = data.draw(worlds())
    before = standing(order, paid, depths)
    assume(before.covering is not None)
    later_chain = replace(depths, tip_number=30, tip_timestamp=300)
    later = [
        item for item in data.draw(payments(later_chain)) if item.block_number > depths.tip_number
    ]
    after = standing(order, [*paid, *later], later_chain)
    assert after.covering == before.covering
    extra = sum(item.amount for item in later)
    assert after.amount_owed_back == before.amount_owed_back + extra


@search(120)
@given(worlds())
def test_an_order_expires_by_the_tips_time_and_by_no_other_clock(world: World) -> None:
    order, _, depths = world
    never_paid = replace(order, was_paid=False, is_cancelled=False)
    expired = depths.tip_timestamp > order.expires_at
    expected = Status.EXPIRED if expired else Status.AWAITING_PAYMENT
    assert standing(never_paid, [], depths).status is expected


@search(120)
@given(worlds())
def test_once_paid_it_is_paid_or_reversed_but_never_plainly_unpaid(world: World) -> None:
    order, paid, depths = world
    found = standing(replace(order, was_paid=True, is_cancelled=False), paid, depths)
    covered = sum(payment.amount for payment in paid) >= DUE
    assert (found.status is Status.REVERSED) == (not covered)
    assert found.status in RELIABLE_RANK.keys() | {Status.REVERSED}
