"""Coupons and balances as they are read, and the one way in which a coupon is used."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ledger.errors import RejectedError
from ledger.loyalty import coupon_used_event
from ledger.store.journal import append_events, notify
from ledger.store.loyalty import LOCK_ACCOUNTS
from ledger.store.pool import Connection

_COUPON = """
SELECT id, customer, order_id, status, made_at, voided_at, used_at, used_by FROM coupon
"""

READ_COUPON = _COUPON + "WHERE id = $1"

# The oldest usable ones first, as they should be used; then what became of the others.
LIST_COUPONS = (
    _COUPON
    + """
WHERE customer = $1 ORDER BY status <> 'usable',
    CASE status WHEN 'usable' THEN number ELSE -number END LIMIT $2
"""
)

USE = """
UPDATE coupon SET status = 'used', used_at = $2, used_by = $3 WHERE id = $1
"""

READ_POINTS = "SELECT points FROM loyalty_account WHERE customer = $1"

HISTORY = """
SELECT p.seq, p.kind, p.credit, p.points, p.order_id, p.coupon_id, e.created_at
FROM posting p JOIN event e ON e.seq = p.seq
WHERE p.customer = $1 AND ($2::bigint IS NULL OR p.seq < $2) ORDER BY p.seq DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class StoredCoupon:
    """A free milk; `used_by` is the account of whoever gave it away."""

    id: str
    customer: bytes
    order_id: str
    status: str
    made_at: datetime
    voided_at: datetime | None
    used_at: datetime | None
    used_by: str | None


@dataclass(frozen=True, slots=True)
class StoredPosting:
    """A posting as the customer sees it; `points` has their sign."""

    seq: int
    kind: str
    points: int
    order_id: str
    coupon_id: str | None
    created_at: datetime


async def read_coupon(connection: Connection, coupon_id: str) -> StoredCoupon:
    """One coupon.

    Raises:
        RejectedError: `coupon_not_found`.
    """
    row = await connection.fetchrow(READ_COUPON, coupon_id)
    if row is None:
        raise RejectedError("coupon_not_found", "there is no such coupon", param="id")
    return StoredCoupon(**dict(row))


async def list_coupons(
    connection: Connection, customer: bytes, *, limit: int
) -> list[StoredCoupon]:
    """A customer's coupons, usable ones first."""
    rows = await connection.fetch(LIST_COUPONS, customer, limit)
    return [StoredCoupon(**dict(row)) for row in rows]


async def read_points(connection: Connection, customer: bytes) -> int:
    """A customer's balance; 0 for one who has never earned a point."""
    return await connection.fetchval(READ_POINTS, customer) or 0


async def list_postings(
    connection: Connection, customer: bytes, *, before_seq: int | None, limit: int
) -> list[StoredPosting]:
    """What moved a customer's points, newest first, continuing before posting `before_seq`."""
    return [_posting(row) for row in await connection.fetch(HISTORY, customer, before_seq, limit)]


async def use_coupon(
    connection: Connection, coupon_id: str, *, used_by: str, now: datetime
) -> StoredCoupon:
    """Use a coupon, once.

    The account's lock decides between two tills, and between a till and a reorganisation that
    takes the points back.

    Raises:
        RejectedError: `coupon_not_found`, `coupon_used` or `coupon_voided`.
    """
    customer = (await read_coupon(connection, coupon_id)).customer
    (account,) = await connection.fetch(LOCK_ACCOUNTS, [customer])
    coupon = await read_coupon(connection, coupon_id)
    require_usable(coupon)
    await connection.execute(USE, coupon_id, now, used_by)
    event = coupon_used_event(coupon.order_id, balance=account["points"])
    (seq,) = await append_events(connection, [event], now=now)
    await notify(connection, tip_number=None, last_seq=seq)
    return await read_coupon(connection, coupon_id)


def require_usable(coupon: StoredCoupon) -> None:
    """Refuse a coupon that no milk may be given for.

    Raises:
        RejectedError: `coupon_used` or `coupon_voided`.
    """
    if coupon.status == "used":
        raise RejectedError("coupon_used", "this coupon has been used", param="id")
    if coupon.status == "voided":
        raise RejectedError(
            "coupon_voided", "the payments that made this coupon were reversed", param="id"
        )


def _posting(row: asyncpg.Record) -> StoredPosting:
    points = row["points"] if row["credit"] == "customer" else -row["points"]
    return StoredPosting(
        row["seq"], row["kind"], points, row["order_id"], row["coupon_id"], row["created_at"]
    )
