"""What the journal tells when an order's standing changes."""

from dataclasses import replace

import pytest

from ledger.journal import order_event_data, standing_events
from ledger.order import Finality, Order, Payment, Standing, Status
from ledger.units import Sen, Units

BILL = 10**18
ORDER = Order("ord_1", Units(BILL // 4), Sen(180), Finality.INCLUDED, 1000)
COVERING = Payment(7, b"\x07" * 32, 84, 3, b"\x01" * 32, Units(BILL))


def standing_of(status: Status, *, covering: Payment | None = None) -> Standing:
    return Standing(status, Units(BILL), Units(BILL * 3 // 4), covering)


@pytest.mark.parametrize("status", [item for item in Status if item is not Status.SETTLED])
def test_a_new_status_is_told_by_its_name(status: Status) -> None:
    before = Status.PAID if status is not Status.PAID else Status.DETECTED
    (event,) = standing_events(ORDER, before, standing_of(status))
    assert (event.type, event.order_id) == (f"order.{status}", "ord_1")
    assert event.data["previousStatus"] == before
    assert event.data["status"] == status


@pytest.mark.parametrize("status", Status)
def test_other_amounts_under_the_same_status_are_an_update(status: Status) -> None:
    order = replace(ORDER, was_paid=True)
    (event,) = standing_events(order, status, standing_of(status))
    assert event.type == "order.updated"


def test_what_is_found_settled_at_once_was_also_paid() -> None:
    types = [
        event.type
        for event in standing_events(
            ORDER, Status.AWAITING_PAYMENT, standing_of(Status.SETTLED, covering=COVERING)
        )
    ]
    assert types == ["order.paid", "order.settled"]


def test_what_was_paid_before_only_settles() -> None:
    order = replace(ORDER, was_paid=True)
    (event,) = standing_events(order, Status.PAID, standing_of(Status.SETTLED))
    assert event.type == "order.settled"
    assert event.data["wasPaid"] is True


def test_paid_again_after_a_reversal_is_told_as_having_been_paid() -> None:
    order = replace(ORDER, was_paid=True)
    (event,) = standing_events(order, Status.REVERSED, standing_of(Status.PAID))
    assert (event.type, event.data["wasPaid"]) == ("order.paid", True)


def test_events_tell_amounts_in_decimals_and_the_covering_payment() -> None:
    assert order_event_data(ORDER, standing_of(Status.PAID, covering=COVERING)) == {
        "orderId": "ord_1",
        "status": "paid",
        "amountDue": "0.25",
        "amountMyr": "1.80",
        "amountReceived": "1",
        "amountOwedBack": "0.75",
        "confirmationPolicy": {"requiredFinality": "included", "reason": "amount"},
        "payment": {
            "txHash": "0x" + "01" * 32,
            "logIndex": 3,
            "blockNumber": 7,
            "blockHash": "0x" + "07" * 32,
            "blockTimestamp": 84,
        },
    }


def test_without_a_covering_payment_none_is_told() -> None:
    assert order_event_data(ORDER, standing_of(Status.UNDERPAID))["payment"] is None
