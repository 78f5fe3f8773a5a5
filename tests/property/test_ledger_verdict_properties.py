"""A yes is never said without the money, and never to whoever came second."""

from dataclasses import replace

from hypothesis import given
from lean import search
from ledger_worlds import DUE, TX_HASHES, worlds

from ledger.order import Depths, Order, Payment, Status, covering_payment, standing
from ledger.units import Units
from ledger.verdict import Candidate, Code, Expectation, Sighting, Verdict, judge

World = tuple[Order, list[Payment], Depths]
EXACT = Expectation(units=Units(DUE))


def answers(world: World, expected: Expectation = EXACT) -> dict[bytes, Verdict]:
    """The verdict about every transaction that sent something to the order."""
    order, paid, depths = world
    sighting = Sighting(
        is_canonical=True, was_retracted=False, candidates=(Candidate(order, tuple(paid)),)
    )
    return {
        tx: judge(tx, sighting, expected=expected, order_id=None, depths=depths)
        for tx in TX_HASHES
        if any(payment.tx_hash == tx for payment in paid)
    }


def place(payment: Payment) -> tuple[int, int]:
    return payment.block_number, payment.log_index


@search(120)
@given(worlds())
def test_valid_means_paid_and_that_this_transaction_completed_it(world: World) -> None:
    order, paid, depths = world
    found = standing(order, paid, depths)
    for tx, verdict in answers(world).items():
        assert verdict.status is found.status
        if verdict.is_valid:
            assert found.status in {Status.PAID, Status.SETTLED}
            assert found.covering is not None
            assert found.covering.tx_hash == tx


@search(120)
@given(worlds())
def test_an_order_gets_one_yes_at_most(world: World) -> None:
    assert sum(verdict.is_valid for verdict in answers(world).values()) <= 1


@search(120)
@given(worlds())
def test_a_duplicate_payer_is_never_told_yes(world: World) -> None:
    """The valid transactions are those without which the order was not yet paid."""
    order, paid, _ = world
    covering = covering_payment(order, paid)
    for tx, verdict in answers(world).items():
        if covering is None:
            assert not verdict.is_valid
            continue
        first = min(place(item) for item in paid if item.tx_hash == tx)
        if first > place(covering):
            assert not verdict.is_valid
        if tx == covering.tx_hash and not order.is_cancelled:
            assert verdict.code in {Code.VALID, Code.AWAITING_FINALITY}


@search(120)
@given(worlds())
def test_at_most_one_valid_transaction_paid_the_whole_order(world: World) -> None:
    """Several are valid only where each by itself would have been too little."""
    order, paid, _ = world
    covering = covering_payment(order, paid)
    valid = [tx for tx, verdict in answers(world).items() if verdict.is_valid]
    if covering is None:
        assert not valid
        return
    alone = [
        tx
        for tx in valid
        if sum(
            item.amount for item in paid if item.tx_hash == tx and place(item) <= place(covering)
        )
        >= DUE
    ]
    assert len(alone) <= 1


@search(120)
@given(worlds())
def test_another_expectation_is_never_met(world: World) -> None:
    for wrong in (Units(DUE - 1), Units(DUE + 1), Units(0)):
        for verdict in answers(world, Expectation(units=wrong)).values():
            assert verdict.code in {Code.AMOUNT_MISMATCH, Code.ORDER_CANCELLED}


@search(120)
@given(worlds())
def test_naming_the_right_order_changes_nothing_and_a_wrong_one_is_refused(world: World) -> None:
    order, paid, depths = world
    twin = replace(order, id="ord_2")
    candidates = (Candidate(order, tuple(paid)), Candidate(twin, tuple(paid)))
    sighting = Sighting(is_canonical=True, was_retracted=False, candidates=candidates)
    for tx, alone in answers(world).items():
        named = judge(tx, sighting, expected=EXACT, order_id=order.id, depths=depths)
        assert named == alone
        unnamed = judge(tx, sighting, expected=EXACT, order_id=None, depths=depths)
        assert unnamed.code is Code.ORDER_AMBIGUOUS
        wrong = judge(tx, sighting, expected=EXACT, order_id="ord_3", depths=depths)
        assert wrong.code is Code.ORDER_MISMATCH
