"""Refunds: how much may be given back, where a refund stands, and what it moves in the books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ledger.journal import Event
from ledger.json_hex import to_hex
from ledger.order import Depths, Finality, Order, Payment, standing
from ledger.units import Units, format_bill


class RefundStatus(StrEnum):
    """Where a refund stands; the words that the API and the journal use."""

    REQUESTED = "requested"
    SENT = "sent"
    VERIFIED = "verified"
    SETTLED = "settled"
    MISMATCHED = "mismatched"
    REVERSED = "reversed"
    CANCELLED = "cancelled"


class RefundReason(StrEnum):
    """Why money is given back; stable, documented in docs/partner.md."""

    OVERPAID = "overpaid"
    DUPLICATE_PAYMENT = "duplicate_payment"
    UNDERPAID = "underpaid"
    PAID_LATE = "paid_late"
    ORDER_CANCELLED = "order_cancelled"
    NOT_DELIVERED = "not_delivered"
    FAULTY_GOODS = "faulty_goods"
    GOODWILL = "goodwill"


class Account(StrEnum):
    """Where an amount of an order stands in the books.

    What was received is owed back or kept. A refund moves its part to `promised`, and from there
    to `treasury` once the chain proves that it has left.
    """

    OWED_BACK = "owed_back"
    KEPT = "kept"
    PROMISED = "promised"
    TREASURY = "treasury"


_OF_WHAT_IS_KEPT = frozenset(
    {RefundReason.NOT_DELIVERED, RefundReason.FAULTY_GOODS, RefundReason.GOODWILL}
)
PROVED = frozenset({RefundStatus.VERIFIED, RefundStatus.SETTLED})
"""The money has left: a canonical block holds the transfer."""


def source(reason: RefundReason) -> Account:
    """Which account a refund for this reason draws on."""
    return Account.KEPT if reason in _OF_WHAT_IS_KEPT else Account.OWED_BACK


@dataclass(frozen=True, slots=True)
class Refundable:
    """How much of an order may still be asked back, in base units.

    `pending_*` is what may follow when the chain has become final; nothing is paid out on a
    payment that could still leave the chain.
    """

    owed_back: Units
    kept: Units
    pending_owed_back: Units
    pending_kept: Units

    def of(self, account: Account) -> Units:
        """What may be drawn from this account now."""
        return self.kept if account is Account.KEPT else self.owed_back

    def pending(self, account: Account) -> Units:
        """What may be drawn besides once it is final."""
        return self.pending_kept if account is Account.KEPT else self.pending_owed_back


def refundable(
    order: Order,
    payments: Sequence[Payment],
    depths: Depths,
    *,
    finalized_timestamp: int,
    promised: Mapping[Account, int],
) -> Refundable:
    """What may still be refunded of an order, beside what is `promised` by other refunds.

    Counted twice, by the chain as it stands and by its finalized part alone, and the smaller
    counts: a payment that a reorganisation takes away cannot have been paid back.
    """
    number = depths.finalized_number
    final = Depths(number, finalized_timestamp, number, number)
    now_owed, now_kept = _split(order, payments, depths)
    final_payments = [payment for payment in payments if payment.block_number <= number]
    final_owed, final_kept = _split(order, final_payments, final)
    owed_taken, kept_taken = promised.get(Account.OWED_BACK, 0), promised.get(Account.KEPT, 0)
    left = min(now_owed + now_kept, final_owed + final_kept) - owed_taken - kept_taken
    owed = max(0, min(now_owed, final_owed, left + owed_taken) - owed_taken)
    kept = max(0, min(now_kept, final_kept, left + kept_taken) - kept_taken)
    return Refundable(
        Units(owed),
        Units(kept),
        Units(max(0, now_owed - owed_taken - owed)),
        Units(max(0, now_kept - kept_taken - kept)),
    )


def _split(order: Order, payments: Sequence[Payment], depths: Depths) -> tuple[int, int]:
    """What was received, as owed back and kept, before any refund."""
    stand = standing(replace(order, repaid=Units(0)), payments, depths)
    return stand.amount_owed_back, stand.amount_received - stand.amount_owed_back


@dataclass(frozen=True, slots=True)
class Refund:
    """What a refund's status depends on beside the chain; `recipient` and `tx_hash` are bytes.

    `since_number` is the tip when it was asked for: a transfer from before cannot prove it.
    `tx_seq` tells which of two refunds was recorded with its transaction first.
    """

    id: str
    order_id: str
    reason: RefundReason
    amount: Units
    recipient: bytes
    since_number: int
    is_cancelled: bool = False
    tx_hash: bytes | None = None
    tx_seq: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A canonical transfer out of the treasury that no refund has claimed."""

    tx_hash: bytes
    block_hash: bytes
    block_number: int
    log_index: int
    recipient: bytes
    amount: Units


def match(refunds: Sequence[Refund], transfers: Sequence[Outgoing]) -> dict[str, Outgoing]:
    """Which transfer proves which refund: the recorded transaction, recipient and exact amount.

    Each transfer proves one refund. Of several that one could prove it is the refund whose
    transaction was recorded first, and the transfer that comes first in the chain.
    """
    left = sorted(transfers, key=lambda one: (one.block_number, one.log_index))
    found: dict[str, Outgoing] = {}
    for refund in sorted(refunds, key=lambda one: (one.tx_seq, one.id)):
        proof = next((one for one in left if _proves(one, refund)), None)
        if proof is not None:
            left.remove(proof)
            found[refund.id] = proof
    return found


def _proves(transfer: Outgoing, refund: Refund) -> bool:
    return (
        transfer.tx_hash == refund.tx_hash
        and transfer.recipient == refund.recipient
        and transfer.amount == refund.amount
        and transfer.block_number > refund.since_number
    )


def refund_status(
    refund: Refund,
    *,
    proof_number: int | None,
    is_seen: bool,
    was_proved: bool,
    depths: Depths,
) -> RefundStatus:
    """Where a refund stands.

    `proof_number` is the block of the transfer that proves it, `is_seen` whether a canonical
    block holds any transfer of its transaction, `was_proved` whether this transaction proved it
    in a block that has left the chain. What the chain proves counts even when somebody has
    cancelled the refund meanwhile: the money has gone.
    """
    if proof_number is not None:
        is_final = depths.finality(proof_number) is Finality.FINALIZED
        return RefundStatus.SETTLED if is_final else RefundStatus.VERIFIED
    if refund.is_cancelled:
        return RefundStatus.CANCELLED
    if refund.tx_hash is None:
        return RefundStatus.REQUESTED
    if is_seen:
        return RefundStatus.MISMATCHED
    return RefundStatus.REVERSED if was_proved else RefundStatus.SENT


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry of the books: the same amount out of one account and into another."""

    debit: Account
    credit: Account
    amount: Units


def holder(reason: RefundReason, status: RefundStatus | None) -> Account:
    """Which account holds a refund's amount; with no status yet, the one that it draws on."""
    if status is None or status is RefundStatus.CANCELLED:
        return source(reason)
    return Account.TREASURY if status in PROVED else Account.PROMISED


def posting(
    reason: RefundReason, amount: Units, before: RefundStatus | None, after: RefundStatus
) -> Posting | None:
    """The entry that a change of status needs, None when the amount stays where it is."""
    debit, credit = holder(reason, before), holder(reason, after)
    return None if debit is credit else Posting(debit, credit, amount)


def refund_event(
    refund: Refund,
    before: RefundStatus | None,
    after: RefundStatus,
    *,
    proof: Mapping[str, Any] | None = None,
) -> Event:
    """What the journal says of a refund; `updated` when its proof has only moved."""
    kind = "updated" if before is after else str(after)
    data = {
        "refundId": refund.id,
        "orderId": refund.order_id,
        "status": str(after),
        "previousStatus": before and str(before),
        "reason": str(refund.reason),
        "amount": format_bill(refund.amount),
        "to": to_hex(refund.recipient),
        "txHash": refund.tx_hash and to_hex(refund.tx_hash),
        "proof": proof,
    }
    return Event(f"refund.{kind}", refund.order_id, data)
