"""Reads balances and uses coupons inside a transaction that the route has opened."""

from typing import Any

import structlog

from ledger.store.actor import Actor
from ledger.store.coupons import (
    StoredCoupon,
    list_coupons,
    list_postings,
    read_coupon,
    read_points,
    require_usable,
    use_coupon,
)
from ledger.store.idempotency import IdempotencyKey
from ledger.store.pool import Connection
from oracle_api.idempotency import claim
from oracle_api.loyalty.requests import MAX_COUPONS, MAX_POSTINGS
from oracle_api.loyalty.resource import write_balance
from oracle_api.times import Clock, to_datetime

log = structlog.get_logger()


class LoyaltyService:
    """Points and coupons; time is passed in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def balance(
        self, connection: Connection, customer: bytes, *, before_seq: int | None
    ) -> dict[str, Any]:
        """A customer's balance as clients see it; nobody's is an empty one."""
        history = await list_postings(
            connection, customer, before_seq=before_seq, limit=MAX_POSTINGS + 1
        )
        return write_balance(
            await read_points(connection, customer),
            await list_coupons(connection, customer, limit=MAX_COUPONS),
            history[:MAX_POSTINGS],
            has_more=len(history) > MAX_POSTINGS,
        )

    async def usable(self, connection: Connection, coupon_id: str) -> StoredCoupon:
        """A coupon that can still be used.

        Raises:
            RejectedError: `coupon_not_found`, `coupon_used` or `coupon_voided`.
        """
        coupon = await read_coupon(connection, coupon_id)
        require_usable(coupon)
        return coupon

    async def use(
        self, connection: Connection, coupon_id: str, *, by: Actor, key: IdempotencyKey
    ) -> tuple[StoredCoupon, bool]:
        """Use a coupon; also whether the same till had done so with the same key before.

        Raises:
            RejectedError: `coupon_not_found`, `coupon_used`, `coupon_voided` or an
                `idempotency_key_...`.
        """
        now = to_datetime(self._clock())
        claimed = await claim(connection, key, new_id=coupon_id, now=now)
        if claimed.is_replayed:
            return await read_coupon(connection, coupon_id), True
        coupon = await use_coupon(connection, coupon_id, used_by=by.id, now=now)
        # Never the id: whoever reads logs could have used it.
        log.info("coupon used", orderId=coupon.order_id, by=by.id)
        # There it is told only of a coupon that nobody can use any more.
        details = {"orderId": coupon.order_id}
        await by.note(connection, "coupon.redeemed", coupon_id, details, now=now)
        return coupon, False
