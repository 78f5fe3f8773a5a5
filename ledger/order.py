"""An order and its status, which is a pure function of the order, its payments and the chain."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ledger.units import Sen, Units

NOTHING = Units(0)


class Status(StrEnum):
    """Where an order stands; the words that the API and the journal use."""

    AWAITING_PAYMENT = "awaiting_payment"
    DETECTED = "detected"
    PAID = "paid"
    SETTLED = "settled"
    UNDERPAID = "underpaid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    PAID_LATE = "paid_late"
    REVERSED = "reversed"


class Finality(StrEnum):
    """How deep a block lies, and how deep a policy wants it to lie."""

    INCLUDED = "included"
    SAFE = "safe"
    FINALIZED = "finalized"


class PolicyReason(StrEnum):
    """Why an order waits for the depth that it waits for."""

    AMOUNT = "amount"
    PAYER_EXPOSURE = "payer_exposure"
    STORE_EXPOSURE = "store_exposure"


@dataclass(frozen=True, slots=True)
class Order:
    """What the status depends on; `amount_due` in base units, times in Unix seconds."""

    id: str
    amount_due: Units
    amount_myr: Sen
    required_finality: Finality
    expires_at: int
    is_cancelled: bool = False
    was_paid: bool = False
    """Whether the journal ever said `paid`, which later chain events cannot make unsaid."""
    policy_reason: PolicyReason = PolicyReason.AMOUNT
    repaid: Units = NOTHING
    """What verified refunds have given back of what was owed back."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A canonical transfer attributed to an order; `block_timestamp` in Unix seconds."""

    block_number: int
    block_hash: bytes
    block_timestamp: int
    log_index: int
    tx_hash: bytes
    amount: Units
    sender: bytes = b""
    """Whose BILL it was, 20 bytes; empty where nobody asks."""


@dataclass(frozen=True, slots=True)
class Depths:
    """The three depths of the chain we follow; `tip_timestamp` is the ledger's only clock."""

    tip_number: int
    tip_timestamp: int
    safe_number: int
    finalized_number: int

    def finality(self, block_number: int) -> Finality:
        """How deep a canonical block lies."""
        if block_number <= self.finalized_number:
            return Finality.FINALIZED
        if block_number <= self.safe_number:
            return Finality.SAFE
        return Finality.INCLUDED


@dataclass(frozen=True, slots=True)
class Standing:
    """An order's status with what it follows from."""

    status: Status
    amount_received: Units
    amount_owed_back: Units
    covering: Payment | None
    """The payment that made the received amount reach the due amount in time, if one did."""


_DEPTH = {Finality.INCLUDED: 0, Finality.SAFE: 1, Finality.FINALIZED: 2}


def counts_in_time(order: Order, payment: Payment) -> bool:
    """Whether a payment came in time.

    The block's own timestamp decides, so that everyone who reads the chain decides alike. An
    order that was already paid stays paid when a reorganisation only moves its payment.
    """
    return order.was_paid or payment.block_timestamp <= order.expires_at


def covering_payment(order: Order, payments: Sequence[Payment]) -> Payment | None:
    """The in-time payment with which the order became fully paid; None while it is not."""
    received = 0
    for payment in _in_chain_order(payments):
        if counts_in_time(order, payment):
            received += payment.amount
            if received >= order.amount_due:
                return payment
    return None


def standing(order: Order, payments: Sequence[Payment], depths: Depths) -> Standing:
    """The status of an order, given its canonical payments and the chain's depths.

    Time is the tip's timestamp: an order expires when the ledger has seen a block from after its
    expiry, so that a payment in an earlier block is never found to be late afterwards. Payments
    to a cancelled order are owed back in full. What verified refunds have repaid is owed no more.
    """
    received = sum(payment.amount for payment in payments)
    covering = None if order.is_cancelled else covering_payment(order, payments)
    status = _status(order, received, covering, payments, depths)
    is_kept = status in {Status.PAID, Status.SETTLED, Status.DETECTED, Status.AWAITING_PAYMENT}
    is_open_part = status is Status.UNDERPAID and depths.tip_timestamp <= order.expires_at
    owed_back = max(0, received - order.amount_due) if is_kept or is_open_part else received
    still_owed = max(0, owed_back - order.repaid)
    return Standing(status, Units(received), Units(still_owed), covering)


def _status(
    order: Order,
    received: int,
    covering: Payment | None,
    payments: Sequence[Payment],
    depths: Depths,
) -> Status:
    if order.is_cancelled:
        return Status.CANCELLED
    if covering is not None:
        return _status_when_covered(order, covering, depths)
    if order.was_paid:
        return Status.REVERSED
    if received >= order.amount_due:
        return Status.PAID_LATE
    if any(counts_in_time(order, payment) and payment.amount for payment in payments):
        return Status.UNDERPAID
    if depths.tip_timestamp > order.expires_at:
        return Status.EXPIRED
    return Status.AWAITING_PAYMENT


def _status_when_covered(order: Order, covering: Payment, depths: Depths) -> Status:
    finality = depths.finality(covering.block_number)
    if finality is Finality.FINALIZED:
        return Status.SETTLED
    if _DEPTH[finality] >= _DEPTH[order.required_finality]:
        return Status.PAID
    return Status.DETECTED


def _in_chain_order(payments: Sequence[Payment]) -> list[Payment]:
    return sorted(payments, key=lambda payment: (payment.block_number, payment.log_index))
