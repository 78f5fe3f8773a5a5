"""What the oracle answers about a payment, by the name of what happened."""

from dataclasses import dataclass, replace

import pytest

from ledger.order import Depths, Finality, Order, Payment, Status
from ledger.units import Sen, Units
from ledger.verdict import RETRYABLE, Candidate, Code, Expectation, Sighting, Verdict, judge

EXPIRY = 1000
DEPTHS = Depths(tip_number=100, tip_timestamp=900, safe_number=80, finalized_number=60)
ORDER = Order("ord_1", Units(10), Sen(180), Finality.INCLUDED, EXPIRY)
EXACT = Expectation(units=Units(10))
TX, OTHER_TX = b"\x01" * 32, b"\x02" * 32


def pay(amount: int, *, tx: bytes = TX, block: int = 90, time: int = 500, log: int = 0) -> Payment:
    return Payment(block, bytes([block]) * 32, time, log, tx, Units(amount))


@dataclass(frozen=True)
class Question:
    """A transaction, what the ledger holds about it, and what is asked."""

    candidates: tuple[Candidate, ...] = ()
    is_canonical: bool = True
    was_retracted: bool = False
    expected: Expectation = EXACT
    order_id: str | None = None
    depths: Depths = DEPTHS

    def answer(self) -> Verdict:
        return judge(
            TX,
            Sighting(self.is_canonical, self.was_retracted, self.candidates),
            expected=self.expected,
            order_id=self.order_id,
            depths=self.depths,
        )


def to(*payments: Payment, order: Order = ORDER) -> tuple[Candidate, ...]:
    return (Candidate(order, payments),)


OTHER = replace(ORDER, id="ord_2")
TWO = (*to(pay(10)), *to(pay(10, log=1), order=OTHER))
SAFE = replace(ORDER, required_finality=Finality.SAFE)
WAS_PAID = replace(ORDER, was_paid=True)
LATE = EXPIRY + 1

# The list of payments in DESIGN.md, "Failure modes seen in the field", and what follows.
CASES: dict[str, tuple[Code, Question]] = {
    "paid exactly": (Code.VALID, Question(to(pay(10)))),
    "paid exactly, asked in ringgit": (
        Code.VALID,
        Question(to(pay(10)), expected=Expectation(sen=Sen(180))),
    ),
    "paid exactly, the order named": (Code.VALID, Question(to(pay(10)), order_id="ord_1")),
    "over": (Code.VALID, Question(to(pay(13)))),
    "under": (Code.UNDERPAID, Question(to(pay(9)))),
    "late": (Code.PAID_LATE, Question(to(pay(10, time=LATE)))),
    "at the very expiry": (Code.VALID, Question(to(pay(10, time=EXPIRY)))),
    "late, though it would complete an early part": (
        Code.PAID_LATE,
        Question(to(pay(4, tx=OTHER_TX), pay(6, block=95, time=LATE))),
    ),
    "an early part that a late one would complete": (
        Code.UNDERPAID,
        Question(to(pay(4), pay(6, tx=OTHER_TX, block=95, time=LATE))),
    ),
    "duplicate: another payer was first": (
        Code.DUPLICATE_PAYMENT,
        Question(to(pay(10, tx=OTHER_TX), pay(10, log=1))),
    ),
    "first of two payers": (Code.VALID, Question(to(pay(10), pay(10, tx=OTHER_TX, log=1)))),
    "duplicate in the same block, by log index": (
        Code.DUPLICATE_PAYMENT,
        Question(to(pay(10, log=10), pay(10, tx=OTHER_TX, log=2))),
    ),
    "after cancel": (
        Code.ORDER_CANCELLED,
        Question(to(pay(10), order=replace(ORDER, is_cancelled=True))),
    ),
    "to the token contract": (Code.NOT_FOR_AN_ORDER, Question()),
    "of another token": (Code.TRANSACTION_NOT_FOUND, Question(is_canonical=False)),
    "zero value, nothing else": (Code.UNDERPAID, Question(to(pay(0)))),
    "zero value, before another pays": (
        Code.DUPLICATE_PAYMENT,
        Question(to(pay(0), pay(10, tx=OTHER_TX, log=1))),
    ),
    "one transaction pays two orders": (Code.ORDER_AMBIGUOUS, Question(TWO)),
    "one transaction pays two orders, the first is meant": (
        Code.VALID,
        Question(TWO, order_id="ord_1"),
    ),
    "one transaction pays two orders, the second is meant": (
        Code.VALID,
        Question(TWO, order_id="ord_2"),
    ),
    "one order paid by two transactions, the first asked": (
        Code.PART_PAYMENT,
        Question(to(pay(4), pay(6, tx=OTHER_TX, log=1))),
    ),
    "one order paid by two transactions, the second asked": (
        Code.VALID,
        Question(to(pay(4, tx=OTHER_TX), pay(6, log=1))),
    ),
    "dust before another pays in full": (
        Code.PART_PAYMENT,
        Question(to(pay(1), pay(10, tx=OTHER_TX, log=1))),
    ),
    "in full after somebody's dust": (
        Code.VALID,
        Question(to(pay(1, tx=OTHER_TX), pay(10, log=1))),
    ),
    "two transfers in one transaction": (Code.VALID, Question(to(pay(4), pay(6, log=1)))),
    "another order is meant": (Code.ORDER_MISMATCH, Question(to(pay(10)), order_id="ord_9")),
    "an order is meant, none was paid": (Code.ORDER_MISMATCH, Question(order_id="ord_1")),
    "less was expected": (
        Code.AMOUNT_MISMATCH,
        Question(to(pay(10)), expected=Expectation(units=Units(9))),
    ),
    "more was expected": (
        Code.AMOUNT_MISMATCH,
        Question(to(pay(10)), expected=Expectation(units=Units(11))),
    ),
    "what was overpaid was expected": (
        Code.AMOUNT_MISMATCH,
        Question(to(pay(13)), expected=Expectation(units=Units(13))),
    ),
    "another ringgit amount was expected": (
        Code.AMOUNT_MISMATCH,
        Question(to(pay(10)), expected=Expectation(sen=Sen(181))),
    ),
    "nothing was expected": (Code.AMOUNT_MISMATCH, Question(to(pay(10)), expected=Expectation())),
    "not deep enough yet": (Code.AWAITING_FINALITY, Question(to(pay(10), order=SAFE))),
    "deep enough": (Code.VALID, Question(to(pay(10, block=80), order=SAFE))),
    "a reorganisation put it out": (
        Code.PAYMENT_REVERSED,
        Question(is_canonical=False, was_retracted=True),
    ),
    "a reorganisation put it in another block": (
        Code.VALID,
        Question(to(pay(10, block=95), order=WAS_PAID), was_retracted=True),
    ),
    "a reorganisation put it in another order": (
        Code.ORDER_MISMATCH,
        Question(to(pay(10), order=OTHER), was_retracted=True, order_id="ord_1"),
    ),
    "a reorganisation put the rest out": (
        Code.PAYMENT_REVERSED,
        Question(to(pay(4), order=WAS_PAID)),
    ),
    "back after the expiry, having been paid": (
        Code.VALID,
        Question(to(pay(10, block=95, time=LATE), order=WAS_PAID)),
    ),
    "never seen": (Code.TRANSACTION_NOT_FOUND, Question(is_canonical=False)),
    "never seen, an order named": (
        Code.TRANSACTION_NOT_FOUND,
        Question(is_canonical=False, order_id="ord_1"),
    ),
}


@pytest.mark.parametrize(("code", "question"), CASES.values(), ids=CASES.keys())
def test_the_oracle_says(code: Code, question: Question) -> None:
    verdict = question.answer()
    assert verdict.code is code
    assert verdict.is_valid == (code is Code.VALID)
    assert (verdict.confirmed_at is not None) == verdict.is_valid


def test_the_table_reaches_every_code() -> None:
    # Whether an order exists at all is a question to the store, which the oracle asks.
    assert {code for code, _ in CASES.values()} == set(Code) - {Code.ORDER_NOT_FOUND}


def test_only_answers_that_can_still_change_are_retryable() -> None:
    assert {
        Code.TRANSACTION_NOT_FOUND,
        Code.UNDERPAID,
        Code.AWAITING_FINALITY,
        Code.PAYMENT_REVERSED,
    } == RETRYABLE


def test_a_valid_verdict_names_its_payment_and_how_deep_it_lies() -> None:
    verdict = Question(to(pay(10, block=70))).answer()
    assert verdict == Verdict(
        code=Code.VALID,
        order_id="ord_1",
        status=Status.PAID,
        payment=pay(10, block=70),
        finality=Finality.SAFE,
        confirmations=31,
        confirmed_at=500,
    )


def test_a_completing_payment_is_as_deep_as_its_own_block() -> None:
    first, second = pay(4, tx=OTHER_TX, block=50), pay(6, block=90, time=600)
    verdict = Question(to(first, second)).answer()
    assert verdict.is_valid
    assert verdict.payment == second
    assert verdict.finality is Finality.INCLUDED
    assert verdict.confirmed_at == 600


def test_an_invalid_verdict_shows_the_askers_own_payment() -> None:
    mine = pay(10, block=95, log=3)
    verdict = Question(to(pay(10, tx=OTHER_TX), mine)).answer()
    assert verdict.payment == mine
    assert verdict.confirmations == 6
    assert verdict.status is Status.PAID


def test_what_is_unknown_shows_nothing() -> None:
    assert Question(is_canonical=False).answer() == Verdict(Code.TRANSACTION_NOT_FOUND)
    assert Question().answer() == Verdict(Code.NOT_FOR_AN_ORDER)
    assert Question(TWO).answer() == Verdict(Code.ORDER_AMBIGUOUS)


def test_asking_a_thousand_times_answers_the_same() -> None:
    question = Question(to(pay(10)))
    assert {question.answer() for _ in range(1000)} == {question.answer()}


def test_an_underpaid_order_can_be_topped_up_only_until_it_expires() -> None:
    part = Verdict(Code.UNDERPAID)
    assert part.is_retryable
    assert not replace(part, is_too_late=True).is_retryable
    # A block that was taken back may come again at any time.
    assert Verdict(Code.PAYMENT_REVERSED, is_too_late=True).is_retryable
