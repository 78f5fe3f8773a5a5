"""Looks for loyalty books that do not balance: points recomputed from orders and postings."""

from ledger import loyalty
from ledger.store.pool import Connection

# An order is worth a point while it is paid, to the customer whose it is, and to nobody else.
MISPOSTED_ORDERS = """
SELECT count(*) FROM (
    SELECT id, customer, status FROM orders WHERE customer IS NOT NULL
) AS o
FULL JOIN (
    SELECT order_id, customer, sum(CASE kind WHEN 'earn' THEN points ELSE -points END) AS points
    FROM posting WHERE kind IN ('earn', 'reverse') GROUP BY order_id, customer
) AS p ON p.order_id = o.id AND p.customer = o.customer
WHERE coalesce(p.points, 0)
    <> CASE WHEN o.status IN ('paid', 'settled') THEN $1::integer ELSE 0 END
"""

MISCOUNTED_ACCOUNTS = """
SELECT count(*) FROM loyalty_account a
LEFT JOIN (
    SELECT customer, sum(CASE credit WHEN 'customer' THEN points ELSE -points END) AS points,
           count(*) FILTER (WHERE kind = 'redeem') AS coupons
    FROM posting GROUP BY customer
) AS p ON p.customer = a.customer
LEFT JOIN (
    SELECT customer, count(*) AS made, count(*) FILTER (WHERE status = 'usable') AS usable
    FROM coupon GROUP BY customer
) AS c ON c.customer = a.customer
WHERE a.points <> coalesce(p.points, 0)
    OR a.coupons_made <> coalesce(p.coupons, 0) OR a.coupons_made <> coalesce(c.made, 0)
    OR a.points >= $1::integer OR a.points < 0 AND c.usable > 0
"""

MISPOSTED_COUPONS = """
SELECT count(*) FROM coupon c
LEFT JOIN (
    SELECT coupon_id, count(*) FILTER (WHERE kind = 'redeem' AND points = $1::integer) AS made,
           count(*) FILTER (WHERE kind = 'void' AND points = $1::integer) AS voided
    FROM posting WHERE coupon_id IS NOT NULL GROUP BY coupon_id
) AS p ON p.coupon_id = c.id
WHERE p.made IS DISTINCT FROM 1 OR p.voided <> (c.status = 'voided')::integer
"""


async def count_loyalty_faults(connection: Connection) -> dict[str, int]:
    """How many rows break what loyalty must always hold; all 0 in sound books."""
    return {
        "orders_with_wrong_points": await connection.fetchval(
            MISPOSTED_ORDERS, loyalty.POINTS_AN_ORDER
        ),
        "loyalty_accounts_out_of_balance": await connection.fetchval(
            MISCOUNTED_ACCOUNTS, loyalty.POINTS_A_COUPON
        ),
        "coupons_unlike_their_postings": await connection.fetchval(
            MISPOSTED_COUPONS, loyalty.POINTS_A_COUPON
        ),
    }
