"""Points and coupons as clients see them."""

from collections.abc import Sequence
from typing import Any

from ledger import loyalty
from ledger.store.coupons import StoredCoupon, StoredPosting
from oracle_api.times import rfc3339


def write_coupon(coupon: StoredCoupon) -> dict[str, Any]:
    """A coupon; whose it is only the ledger knows."""
    return {
        "id": coupon.id,
        "object": "coupon",
        "status": coupon.status,
        "orderId": coupon.order_id,
        "qrPath": f"/api/v1/loyalty/coupons/{coupon.id}/qr.svg",
        "madeAt": rfc3339(coupon.made_at),
        "voidedAt": coupon.voided_at and rfc3339(coupon.voided_at),
        "usedAt": coupon.used_at and rfc3339(coupon.used_at),
    }


def write_balance(
    points: int,
    coupons: Sequence[StoredCoupon],
    history: Sequence[StoredPosting],
    *,
    has_more: bool,
) -> dict[str, Any]:
    """A customer's points, coupons and what moved the points, newest first."""
    return {
        "object": "loyalty_balance",
        "points": points,
        "pointsACoupon": loyalty.POINTS_A_COUPON,
        "coupons": [write_coupon(coupon) for coupon in coupons],
        "history": [
            {
                "kind": posting.kind,
                "points": posting.points,
                "orderId": posting.order_id,
                "couponId": posting.coupon_id,
                "createdAt": rfc3339(posting.created_at),
            }
            for posting in history
        ],
        "hasMore": has_more,
        "next": history[-1].seq if has_more else None,
    }
