"""The oracle's answer about a payment: a pure function of the ledger and the question."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ledger.order import (
    Depths,
    Finality,
    Order,
    Payment,
    Status,
    counts_in_time,
    covering_payment,
    standing,
)
from ledger.units import Sen, Units


class Code(StrEnum):
    """Why a verdict is what it is; stable, documented in docs/partner.md."""

    VALID = "valid"
    TRANSACTION_NOT_FOUND = "transaction_not_found"
    NOT_FOR_AN_ORDER = "not_for_an_order"
    ORDER_NOT_FOUND = "order_not_found"
    ORDER_MISMATCH = "order_mismatch"
    ORDER_AMBIGUOUS = "order_ambiguous"
    AMOUNT_MISMATCH = "amount_mismatch"
    UNDERPAID = "underpaid"
    DUPLICATE_PAYMENT = "duplicate_payment"
    PART_PAYMENT = "part_payment"
    PAID_LATE = "paid_late"
    ORDER_CANCELLED = "order_cancelled"
    AWAITING_FINALITY = "awaiting_finality"
    PAYMENT_REVERSED = "payment_reversed"


RETRYABLE = frozenset(
    {
        Code.TRANSACTION_NOT_FOUND,
        Code.UNDERPAID,
        Code.AWAITING_FINALITY,
        Code.PAYMENT_REVERSED,
    }
)
"""Codes whose answer can still become valid as the chain grows; see `Verdict.is_retryable`."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the asker says was to be paid; exactly one of the amounts is set."""

    units: Units | None = None
    sen: Sen | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that the transaction pays, with all of the order's canonical payments."""

    order: Order
    payments: tuple[Payment, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Valid or not, and what that rests on; `confirmed_at` in Unix seconds."""

    code: Code
    order_id: str | None = None
    status: Status | None = None
    payment: Payment | None = None
    finality: Finality | None = None
    confirmations: int = 0
    confirmed_at: int | None = None
    is_too_late: bool = False
    """The order has expired: whatever comes now can no longer make it paid."""

    @property
    def is_retryable(self) -> bool:
        """Whether the answer can still become valid as the chain grows."""
        return self.code in RETRYABLE and not (self.code is Code.UNDERPAID and self.is_too_late)

    @property
    def is_valid(self) -> bool:
        """Whether the payment may be relied on under the order's confirmation policy."""
        return self.code is Code.VALID


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the ledger holds of the transaction in question."""

    is_canonical: bool
    """A transfer of it stands in a canonical block."""
    was_retracted: bool
    """A transfer of it stood in a block that has left the chain."""
    candidates: tuple[Candidate, ...]


def judge(
    tx_hash: bytes,
    sighting: Sighting,
    *,
    expected: Expectation,
    order_id: str | None,
    depths: Depths,
) -> Verdict:
    """Answer whether `tx_hash` is a valid payment of what was expected.

    The order is found from the transfers' recipients; a transaction that pays several orders is
    ambiguous until the asker names one. The server's own amount decides.

    Of all the transactions that pay an order only the one that completed it is a yes: else a
    stranger's dust, sent first, would be told yes for what somebody else pays.
    """
    if not sighting.is_canonical:
        code = Code.PAYMENT_REVERSED if sighting.was_retracted else Code.TRANSACTION_NOT_FOUND
        return Verdict(code, order_id=order_id)
    candidates = sighting.candidates
    if order_id is not None:
        candidates = tuple(item for item in candidates if item.order.id == order_id)
        if not candidates:
            return Verdict(Code.ORDER_MISMATCH, order_id=order_id)
    if not candidates:
        return Verdict(Code.NOT_FOR_AN_ORDER)
    if len(candidates) > 1:
        return Verdict(Code.ORDER_AMBIGUOUS)
    return _judge_order(tx_hash, candidates[0], expected, depths)


def _judge_order(
    tx_hash: bytes, candidate: Candidate, expected: Expectation, depths: Depths
) -> Verdict:
    order = candidate.order
    stand = standing(order, candidate.payments, depths)
    mine = [payment for payment in candidate.payments if payment.tx_hash == tx_hash]
    shown = stand.covering if stand.covering in mine else mine[0]
    code = _code(order, candidate.payments, mine, expected, stand.status)
    return Verdict(
        code=code,
        order_id=order.id,
        status=stand.status,
        payment=shown,
        finality=depths.finality(shown.block_number),
        confirmations=depths.tip_number - shown.block_number + 1,
        confirmed_at=shown.block_timestamp if code is Code.VALID else None,
        is_too_late=depths.tip_timestamp > order.expires_at,
    )


def _code(
    order: Order,
    payments: Sequence[Payment],
    mine: Sequence[Payment],
    expected: Expectation,
    status: Status,
) -> Code:
    if status is Status.CANCELLED:
        return Code.ORDER_CANCELLED
    if not _matches(order, expected):
        return Code.AMOUNT_MISMATCH
    if not any(counts_in_time(order, payment) for payment in mine):
        return Code.PAID_LATE
    covering = covering_payment(order, payments)
    if covering is None:
        return Code.PAYMENT_REVERSED if status is Status.REVERSED else Code.UNDERPAID
    if covering not in mine:
        was_before = any(_contributes(payment, covering) for payment in mine)
        return Code.PART_PAYMENT if was_before else Code.DUPLICATE_PAYMENT
    if status is Status.DETECTED:
        return Code.AWAITING_FINALITY
    return Code.VALID


def _matches(order: Order, expected: Expectation) -> bool:
    if expected.units is not None:
        return expected.units == order.amount_due
    return expected.sen == order.amount_myr


def _contributes(payment: Payment, covering: Payment) -> bool:
    """Whether a payment came no later than the one that completed the order, and is not empty."""
    return payment.amount > 0 and (payment.block_number, payment.log_index) <= (
        covering.block_number,
        covering.log_index,
    )
