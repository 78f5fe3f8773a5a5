"""Whatever the journal can tell of has a name that one can ask for."""

from ledger.event_types import EVENT_TYPES
from ledger.loyalty import _EVENT_TYPES as LOYALTY_TYPES
from ledger.loyalty import COUPON_USED
from ledger.order import Status
from ledger.refund import RefundStatus


def test_every_type_of_event_can_be_asked_for() -> None:
    assert {*LOYALTY_TYPES.values(), COUPON_USED} <= EVENT_TYPES
    for prefix, statuses in (("order", Status), ("refund", RefundStatus)):
        assert {f"{prefix}.{status}" for status in statuses} <= EVENT_TYPES
        assert f"{prefix}.updated" in EVENT_TYPES
