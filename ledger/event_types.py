"""Every type of event that the journal tells of, for those who choose among them."""

from typing import Final

from ledger.order import Status
from ledger.refund import RefundStatus

EVENT_TYPES: Final = frozenset(
    {
        "order.created",
        "order.updated",
        *(f"order.{status}" for status in Status),
        "refund.updated",
        *(f"refund.{status}" for status in RefundStatus),
        "loyalty.earned",
        "loyalty.reversed",
        "loyalty.coupon_made",
        "loyalty.coupon_voided",
        "loyalty.coupon_used",
    }
)
"""A new type has its line here; until then nobody can ask for it alone."""
