"""An order's status, case by case: due 10, expiring at 1000, on a chain whose tip is block 100."""

from dataclasses import replace
from typing import NamedTuple

import pytest

from ledger.order import (
    Depths,
    Finality,
    Order,
    Payment,
    Standing,
    Status,
    covering_payment,
    standing,
)
from ledger.units import UINT256_MAX, Sen, Units

EXPIRY = 1000
ORDER = Order("ord_1", Units(10), Sen(180), Finality.INCLUDED, EXPIRY)
DEPTHS = Depths(tip_number=100, tip_timestamp=900, safe_number=80, finalized_number=60)
AFTER_EXPIRY = replace(DEPTHS, tip_timestamp=EXPIRY + 1)


def pay(amount: int, *, block: int = 90, time: int = 500, log: int = 0) -> Payment:
    tx_hash = bytes([block, log]).rjust(32, b"\0")
    return Payment(block, bytes([block]) * 32, time, log, tx_hash, Units(amount))


LATE = EXPIRY + 1


class Case(NamedTuple):
    payments: list[Payment]
    status: Status
    owed_back: int
    order: Order = ORDER
    depths: Depths = DEPTHS


SAFE = replace(ORDER, required_finality=Finality.SAFE)
FINAL = replace(ORDER, required_finality=Finality.FINALIZED)
CANCELLED = replace(ORDER, is_cancelled=True)
WAS_PAID = replace(ORDER, was_paid=True)

CASES = {
    "nothing yet": Case([], Status.AWAITING_PAYMENT, 0),
    "zero is nothing": Case([pay(0)], Status.AWAITING_PAYMENT, 0),
    "nothing, at the very expiry": Case(
        [], Status.AWAITING_PAYMENT, 0, depths=replace(DEPTHS, tip_timestamp=EXPIRY)
    ),
    "nothing, a second later": Case([], Status.EXPIRED, 0, depths=AFTER_EXPIRY),
    "zero, expired": Case([pay(0)], Status.EXPIRED, 0, depths=AFTER_EXPIRY),
    "exactly": Case([pay(10)], Status.PAID, 0),
    "at the very expiry": Case([pay(10, time=EXPIRY)], Status.PAID, 0, depths=AFTER_EXPIRY),
    "too much": Case([pay(13)], Status.PAID, 3),
    "as much as there can be": Case([pay(UINT256_MAX)], Status.PAID, UINT256_MAX - 10),
    "twice": Case([pay(10), pay(10, log=1)], Status.PAID, 10),
    "in two parts": Case([pay(4), pay(6, log=1)], Status.PAID, 0),
    "in two parts, too much": Case([pay(4), pay(9, log=1)], Status.PAID, 3),
    "a part": Case([pay(4)], Status.UNDERPAID, 0),
    "all but a unit": Case([pay(9)], Status.UNDERPAID, 0),
    "a part, expired": Case([pay(4)], Status.UNDERPAID, 4, depths=AFTER_EXPIRY),
    "late": Case([pay(10, time=LATE)], Status.PAID_LATE, 10, depths=AFTER_EXPIRY),
    "late and too much": Case([pay(12, time=LATE)], Status.PAID_LATE, 12, depths=AFTER_EXPIRY),
    "a late part": Case([pay(4, time=LATE)], Status.EXPIRED, 4, depths=AFTER_EXPIRY),
    "a part in time, the rest late": Case(
        [pay(4), pay(6, block=95, time=LATE)], Status.PAID_LATE, 10, depths=AFTER_EXPIRY
    ),
    "a part in time, a part late": Case(
        [pay(4), pay(5, block=95, time=LATE)], Status.UNDERPAID, 9, depths=AFTER_EXPIRY
    ),
    "in time, and again late": Case(
        [pay(10), pay(10, block=95, time=LATE)], Status.PAID, 10, depths=AFTER_EXPIRY
    ),
    "finalized": Case([pay(10, block=60)], Status.SETTLED, 0),
    "one block short of finalized": Case([pay(10, block=61)], Status.PAID, 0),
    "its last part decides how deep it lies": Case(
        [pay(4, block=60), pay(6, block=61)], Status.PAID, 0
    ),
    "a later payer does not make it shallower": Case(
        [pay(10, block=60), pay(10, block=99)], Status.SETTLED, 10
    ),
    "needs safe, included": Case([pay(10, block=81)], Status.DETECTED, 0, SAFE),
    "needs safe, safe": Case([pay(10, block=80)], Status.PAID, 0, SAFE),
    "needs safe, finalized": Case([pay(10, block=60)], Status.SETTLED, 0, SAFE),
    "needs finalized, safe": Case([pay(10, block=61)], Status.DETECTED, 0, FINAL),
    "needs finalized, finalized": Case([pay(10, block=60)], Status.SETTLED, 0, FINAL),
    "detected keeps what is due": Case([pay(15, block=81)], Status.DETECTED, 5, SAFE),
    "detected does not expire": Case([pay(10)], Status.DETECTED, 0, SAFE, AFTER_EXPIRY),
    "cancelled": Case([], Status.CANCELLED, 0, CANCELLED),
    "cancelled and paid all the same": Case([pay(10)], Status.CANCELLED, 10, CANCELLED),
    "cancelled and paid in part": Case([pay(3)], Status.CANCELLED, 3, CANCELLED),
    "cancelled beats finalized": Case([pay(10, block=60)], Status.CANCELLED, 10, CANCELLED),
    "was paid, its block left": Case([], Status.REVERSED, 0, WAS_PAID),
    "was paid, expired since": Case([], Status.REVERSED, 0, WAS_PAID, AFTER_EXPIRY),
    "was paid, a part is left": Case([pay(4)], Status.REVERSED, 4, WAS_PAID),
    "was paid, back again": Case([pay(10, block=95)], Status.PAID, 0, WAS_PAID),
    "was paid, back again after the expiry": Case(
        [pay(10, block=95, time=LATE)], Status.PAID, 0, WAS_PAID, AFTER_EXPIRY
    ),
    "was paid, now settled": Case([pay(10, block=60)], Status.SETTLED, 0, WAS_PAID),
    "was paid when safe, back but not safe yet": Case(
        [pay(10, block=95)], Status.DETECTED, 0, replace(SAFE, was_paid=True)
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_status_is(case: Case) -> None:
    found = standing(case.order, case.payments, case.depths)
    assert (found.status, found.amount_owed_back) == (case.status, case.owed_back)
    assert found.amount_received == sum(payment.amount for payment in case.payments)


def test_the_table_reaches_every_status() -> None:
    assert {case.status for case in CASES.values()} == set(Status)


def test_the_covering_payment_is_the_one_that_reached_the_due_amount() -> None:
    first, second, third = pay(4), pay(6, log=1), pay(10, block=95)
    assert covering_payment(ORDER, [third, second, first]) == second
    assert covering_payment(ORDER, [first]) is None
    assert covering_payment(ORDER, [first, third]) == third


def test_a_late_payment_covers_nothing() -> None:
    assert covering_payment(ORDER, [pay(10, time=LATE)]) is None
    assert covering_payment(WAS_PAID, [pay(10, time=LATE)]) is not None


def test_a_cancelled_order_names_no_covering_payment() -> None:
    expected = Standing(Status.CANCELLED, Units(10), Units(10), None)
    assert standing(CANCELLED, [pay(10)], DEPTHS) == expected


def test_within_a_block_the_log_index_decides_who_came_first() -> None:
    early, late = pay(10, log=2), pay(10, log=10)
    assert covering_payment(ORDER, [late, early]) == early


def test_depths_say_how_deep_a_block_lies() -> None:
    depth_of = {number: DEPTHS.finality(number) for number in (0, 60, 61, 80, 81, 100)}
    assert depth_of == {
        0: Finality.FINALIZED,
        60: Finality.FINALIZED,
        61: Finality.SAFE,
        80: Finality.SAFE,
        81: Finality.INCLUDED,
        100: Finality.INCLUDED,
    }
