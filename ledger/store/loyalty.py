"""Posts what orders earn and lose, inside the transaction that moves the orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.journal import Event
from ledger.loyalty import Account, Move, Posting, PostingKind, posting_event, settle_points
from ledger.store.pool import Connection

# What orders have been credited so far; with what they are worth now this gives what to post, so
# that no order is ever credited twice, whatever happened to it in between.
POSTED = """
SELECT order_id, sum(CASE kind WHEN 'earn' THEN points ELSE -points END)::integer AS points
FROM posting
WHERE order_id = ANY($1::text[]) AND kind IN ('earn', 'reverse')
GROUP BY order_id
"""

OPEN_ACCOUNTS = """
INSERT INTO loyalty_account (customer, points, coupons_made)
SELECT customer, 0, 0 FROM unnest($1::bytea[]) AS new (customer) ORDER BY customer
ON CONFLICT DO NOTHING
"""

# In the order of their keys, so that two writers never wait for each other in a circle.
LOCK_ACCOUNTS = """
SELECT customer, points, coupons_made FROM loyalty_account
WHERE customer = ANY($1::bytea[]) ORDER BY customer FOR NO KEY UPDATE
"""

# Only the newest can be voided, and never more than there are points to be taken back.
USABLE = """
SELECT customer, array_agg(id ORDER BY number) AS ids FROM coupon
WHERE customer = ANY($1::bytea[]) AND status = 'usable' GROUP BY customer
"""

MAKE_COUPONS = """
INSERT INTO coupon (id, customer, number, order_id, status, made_at)
SELECT id, customer, number, order_id, 'usable', $5
FROM unnest($1::text[], $2::bytea[], $3::integer[], $4::text[])
    AS new (id, customer, number, order_id)
"""

VOID_COUPONS = """
UPDATE coupon SET status = 'voided', voided_at = $2 WHERE id = ANY($1::text[])
"""

APPEND = """
INSERT INTO posting (seq, kind, debit, credit, customer, points, order_id, coupon_id)
SELECT seq, kind,
       CASE WHEN kind IN ('earn', 'void') THEN 'programme' ELSE 'customer' END,
       CASE WHEN kind IN ('earn', 'void') THEN 'customer' ELSE 'programme' END,
       customer, points, order_id, coupon_id
FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::integer[], $5::text[], $6::text[])
    AS new (seq, kind, customer, points, order_id, coupon_id)
"""

SAVE_ACCOUNTS = """
UPDATE loyalty_account AS a SET points = new.points, coupons_made = new.coupons_made
FROM unnest($1::bytea[], $2::bigint[], $3::integer[]) AS new (customer, points, coupons_made)
WHERE a.customer = new.customer
"""


@dataclass(frozen=True, slots=True)
class Credit:
    """An order's customer, and how many points the order is worth as it stands now."""

    customer: bytes
    points: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """Postings to be made and the accounts as they will be; nothing is written yet."""

    accounts: Sequence[Account]
    postings: Sequence[Posting]
    coupon_numbers: Mapping[str, int]

    @property
    def events(self) -> list[Event]:
        """One for each posting, in the same order."""
        return [posting_event(posting) for posting in self.postings]


NOTHING = Settlement((), (), {})


async def settle(connection: Connection, credits_: Mapping[str, Credit]) -> Settlement:
    """Find what has to be posted for these orders, by their ids; locks their customers' accounts.

    The orders are locked already, and the journal not yet.
    """
    if not credits_:
        return NOTHING
    rows = await connection.fetch(POSTED, list(credits_))
    posted = {row["order_id"]: row["points"] for row in rows}
    moves: dict[bytes, list[Move]] = {}
    for order_id, credit in credits_.items():
        if points := credit.points - posted.get(order_id, 0):
            moves.setdefault(credit.customer, []).append(Move(order_id, points))
    if not moves:
        return NOTHING
    accounts: list[Account] = []
    postings: list[Posting] = []
    numbers: dict[str, int] = {}
    for before in await _lock_accounts(connection, list(moves)):
        after, made = settle_points(before, moves[before.customer])
        accounts.append(after)
        postings += made
        fresh = [one.coupon_id for one in made if one.kind is PostingKind.REDEEM]
        numbers |= {
            str(coupon): number for number, coupon in enumerate(fresh, before.coupons_made + 1)
        }
    return Settlement(accounts, postings, numbers)


async def post(
    connection: Connection, settlement: Settlement, numbers: Sequence[int], *, now: datetime
) -> None:
    """Write a settlement; `numbers` are those of its events, which the journal has given."""
    if not settlement.postings:
        return
    postings = settlement.postings
    await _make_coupons(connection, settlement, now)
    await connection.execute(
        APPEND,
        list(numbers),
        [str(posting.kind) for posting in postings],
        [posting.customer for posting in postings],
        [posting.points for posting in postings],
        [posting.order_id for posting in postings],
        [posting.coupon_id for posting in postings],
    )
    voided = [one.coupon_id for one in postings if one.kind is PostingKind.VOID]
    if voided:
        await connection.execute(VOID_COUPONS, voided, now)
    await connection.execute(
        SAVE_ACCOUNTS,
        [account.customer for account in settlement.accounts],
        [account.points for account in settlement.accounts],
        [account.coupons_made for account in settlement.accounts],
    )


async def _lock_accounts(connection: Connection, customers: Sequence[bytes]) -> list[Account]:
    await connection.execute(OPEN_ACCOUNTS, customers)
    rows = await connection.fetch(LOCK_ACCOUNTS, customers)
    usable = {row["customer"]: row["ids"] for row in await connection.fetch(USABLE, customers)}
    return [
        Account(
            row["customer"],
            row["points"],
            row["coupons_made"],
            tuple(usable.get(row["customer"], ())),
        )
        for row in rows
    ]


async def _make_coupons(connection: Connection, settlement: Settlement, now: datetime) -> None:
    made = [one for one in settlement.postings if one.kind is PostingKind.REDEEM]
    if made:
        await connection.execute(
            MAKE_COUPONS,
            [posting.coupon_id for posting in made],
            [posting.customer for posting in made],
            [settlement.coupon_numbers[str(posting.coupon_id)] for posting in made],
            [posting.order_id for posting in made],
            now,
        )
