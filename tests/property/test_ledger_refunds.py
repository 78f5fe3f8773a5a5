"""What may be refunded, what proves it, and books that balance, whatever happens in which order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from ledger_worlds import worlds

from ledger.order import Depths, Order, Payment, standing
from ledger.refund import (
    Account,
    Outgoing,
    Refund,
    RefundReason,
    RefundStatus,
    holder,
    match,
    posting,
    refund_status,
    refundable,
    source,
)
from ledger.units import Units

statuses = st.lists(st.sampled_from(RefundStatus), min_size=1, max_size=8)
amounts = st.integers(0, 3 * 10**18)


@given(worlds(), amounts, amounts, st.integers(0, 10**6))
def test_no_more_is_refundable_than_was_received_for_good(
    world: tuple[Order, list[Payment], Depths], owed: int, kept: int, finalized_timestamp: int
) -> None:
    order, payments, depths = world
    left = refundable(
        order,
        payments,
        depths,
        finalized_timestamp=finalized_timestamp,
        promised={Account.OWED_BACK: owed, Account.KEPT: kept},
    )
    assert min(left.owed_back, left.kept, left.pending_owed_back, left.pending_kept) >= 0
    final = sum(p.amount for p in payments if p.block_number <= depths.finalized_number)
    if owed + kept <= final:
        assert max(left.owed_back, left.kept) + owed + kept <= final
    else:
        assert left.owed_back == left.kept == 0
    assert owed + left.owed_back <= max(owed, standing(order, payments, depths).amount_owed_back)


@given(st.sampled_from(RefundReason), st.integers(1, 10**18), statuses)
def test_every_step_is_posted_once_and_the_books_balance(
    reason: RefundReason, amount: int, path: list[RefundStatus]
) -> None:
    balances = dict.fromkeys(Account, 0)
    for before, after in pairwise([None, *path]):
        assert after is not None
        entry = posting(reason, Units(amount), before, after)
        if entry is not None:
            balances[entry.debit] -= entry.amount
            balances[entry.credit] += entry.amount
    assert sum(balances.values()) == 0
    held = holder(reason, path[-1])
    expected = dict.fromkeys(Account, 0)
    if held is not source(reason):
        expected |= {source(reason): -amount, held: amount}
    assert balances == expected


refunds = st.builds(
    Refund,
    id=st.uuids().map(str),
    order_id=st.just("ord_1"),
    reason=st.sampled_from(RefundReason),
    amount=st.integers(1, 2),
    recipient=st.sampled_from((b"a" * 20, b"b" * 20)),
    since_number=st.integers(0, 3),
    tx_hash=st.sampled_from((b"1" * 32, b"2" * 32)),
    tx_seq=st.integers(0, 9),
)
transfers = st.builds(
    Outgoing,
    tx_hash=st.sampled_from((b"1" * 32, b"2" * 32)),
    block_hash=st.just(b"h" * 32),
    block_number=st.integers(1, 5),
    log_index=st.integers(0, 99),
    recipient=st.sampled_from((b"a" * 20, b"b" * 20)),
    amount=st.integers(1, 2),
)


@given(
    st.lists(refunds, max_size=6, unique_by=lambda one: one.id),
    st.lists(transfers, max_size=6, unique_by=lambda one: one.log_index),
    st.randoms(use_true_random=False),
)
def test_each_transfer_proves_one_refund_and_exactly_that(
    asked: list[Refund],
    moved: list[Outgoing],
    chance: "st.random.Random",  # type: ignore[name-defined]
) -> None:
    found = match(asked, moved)
    by_id = {refund.id: refund for refund in asked}
    assert len({one.log_index for one in found.values()}) == len(found)
    for refund_id, transfer in found.items():
        refund = by_id[refund_id]
        assert (transfer.tx_hash, transfer.recipient, transfer.amount) == (
            *(refund.tx_hash, refund.recipient, refund.amount),
        )
        assert transfer.block_number > refund.since_number
    shuffled = asked.copy(), moved.copy()
    for one in shuffled:
        chance.shuffle(one)
    assert match(*shuffled) == found


@given(
    refund=refunds,
    is_seen=st.booleans(),
    was_proved=st.booleans(),
    number=st.none() | st.integers(0, 9),
    finalized=st.integers(0, 9),
)
def test_what_the_chain_proves_comes_before_what_anybody_says(
    *, refund: Refund, is_seen: bool, was_proved: bool, number: int | None, finalized: int
) -> None:
    status = refund_status(
        refund,
        proof_number=number,
        is_seen=is_seen,
        was_proved=was_proved,
        depths=Depths(9, 0, 9, finalized),
    )
    if number is not None:
        is_final = number <= finalized
        assert status is (RefundStatus.SETTLED if is_final else RefundStatus.VERIFIED)
    elif is_seen:
        assert status is RefundStatus.MISMATCHED
    else:
        assert status is (RefundStatus.REVERSED if was_proved else RefundStatus.SENT)
