"""Loyalty: what orders earn, the coupons that points become, and how that is taken back."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from ledger.ids import digest_id
from ledger.journal import Event
from ledger.order import Status

POINTS_AN_ORDER: Final = 1
POINTS_A_COUPON = 5


class PostingKind(StrEnum):
    """Why points move."""

    EARN = "earn"
    REVERSE = "reverse"
    REDEEM = "redeem"
    """Points have become a coupon."""
    VOID = "void"
    """An unused coupon has become points again, since they are no longer there to pay for it."""


GAINS: Final = frozenset({PostingKind.EARN, PostingKind.VOID})
"""Credit the customer and debit the programme; the other kinds do the opposite."""

_EVENT_TYPES: Final = {
    PostingKind.EARN: "loyalty.earned",
    PostingKind.REVERSE: "loyalty.reversed",
    PostingKind.REDEEM: "loyalty.coupon_made",
    PostingKind.VOID: "loyalty.coupon_voided",
}
COUPON_USED: Final = "loyalty.coupon_used"


@dataclass(frozen=True, slots=True)
class Posting:
    """Points that move between a customer and the programme; `points` is positive.

    `balance` is the customer's afterwards.
    """

    kind: PostingKind
    customer: bytes
    order_id: str
    points: int
    balance: int
    coupon_id: str | None = None

    @property
    def gain(self) -> int:
        """The points with the customer's sign."""
        return self.points if self.kind in GAINS else -self.points


@dataclass(frozen=True, slots=True)
class Account:
    """A customer's balance; `usable` are the ids of unused coupons, oldest first."""

    customer: bytes
    points: int = 0
    coupons_made: int = 0
    usable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """What an order has to give to, or take from, its customer; `points` is not 0."""

    order_id: str
    points: int


def customer_of(key: bytes, student_id: str) -> bytes:
    """Whom a student id stands for: 32 bytes that without the key tell nothing about it.

    Letters count alike in either case, as on a student card that somebody types.
    """
    return hmac.digest(key, b"billcoin student " + student_id.upper().encode(), "sha256")


def pseudonym(customer: bytes) -> str:
    """A customer's name in reports: the same each time, and no way back to the coupons' key."""
    return "stu_" + hashlib.sha256(b"billcoin report " + customer).hexdigest()[:20]


def coupon_id(customer: bytes, number: int) -> str:
    """The id of a customer's coupon `number`, counted from 1.

    Who knows it can use it, so it is no count and no time but follows, unguessable, from the
    customer's keyed hash, which never leaves the ledger. Whoever replays history gets the same.
    """
    return digest_id("cpn", hmac.digest(customer, b"billcoin coupon %d" % number, "sha256"))


def points_due(status: Status) -> int:
    """How many points an order is worth to its customer while it stands so."""
    return POINTS_AN_ORDER if status in {Status.PAID, Status.SETTLED} else 0


def settle_points(account: Account, moves: Sequence[Move]) -> tuple[Account, list[Posting]]:
    """Move points, then make or void coupons until the balance is what one may have.

    What is earned comes first: a reorganisation that moves a payment from one order to another
    leaves the coupons as they are. A customer whose coupon was already used goes below zero, and
    earns the points back with the next orders.
    """
    postings: list[Posting] = []
    for move in sorted(moves, key=lambda move: (move.points < 0, move.order_id)):
        kind = PostingKind.EARN if move.points > 0 else PostingKind.REVERSE
        account = replace(account, points=account.points + move.points)
        postings.append(
            Posting(kind, account.customer, move.order_id, abs(move.points), account.points)
        )
    if not postings:
        return account, []
    # A coupon is told with the last order that earned: that one made the points enough.
    earned = [posting.order_id for posting in postings if posting.kind is PostingKind.EARN]
    earned_last = (earned or [postings[-1].order_id])[-1]
    while account.points >= POINTS_A_COUPON:
        account = _with_coupon(account)
        postings.append(_exchange(PostingKind.REDEEM, account, earned_last, account.usable[-1]))
    while account.points < 0 and account.usable:
        account, voided = _without_coupon(account), account.usable[-1]
        postings.append(_exchange(PostingKind.VOID, account, postings[-1].order_id, voided))
    return account, postings


def posting_event(posting: Posting) -> Event:
    """What the journal tells of a posting: not whose it is, and not the coupon, a secret."""
    return Event(
        _EVENT_TYPES[posting.kind],
        posting.order_id,
        {"orderId": posting.order_id, "points": posting.gain, "balance": posting.balance},
    )


def coupon_used_event(order_id: str, *, balance: int) -> Event:
    """What the journal tells when a coupon was used; `order_id` is the order that made it."""
    data: dict[str, Any] = {"orderId": order_id, "points": 0, "balance": balance}
    return Event(COUPON_USED, order_id, data)


def _with_coupon(account: Account) -> Account:
    number = account.coupons_made + 1
    return replace(
        account,
        points=account.points - POINTS_A_COUPON,
        coupons_made=number,
        usable=(*account.usable, coupon_id(account.customer, number)),
    )


def _without_coupon(account: Account) -> Account:
    return replace(account, points=account.points + POINTS_A_COUPON, usable=account.usable[:-1])


def _exchange(kind: PostingKind, account: Account, order_id: str, coupon: str) -> Posting:
    return Posting(kind, account.customer, order_id, POINTS_A_COUPON, account.points, coupon)
