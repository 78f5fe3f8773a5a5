"""Points and coupons add up, whatever is earned and taken back in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.loyalty import (
    POINTS_A_COUPON,
    Account,
    Move,
    PostingKind,
    coupon_id,
    customer_of,
    points_due,
    posting_event,
    pseudonym,
    settle_points,
)
from ledger.order import Status

CUSTOMER = customer_of(b"k" * 32, "1211103456")


def earn(*numbers: int) -> list[Move]:
    return [Move(f"ord_{number}", 1) for number in numbers]


def lose(*numbers: int) -> list[Move]:
    return [Move(f"ord_{number}", -1) for number in numbers]


def test_only_a_payment_that_counts_is_worth_a_point() -> None:
    assert {status for status in Status if points_due(status)} == {Status.PAID, Status.SETTLED}
    assert points_due(Status.PAID) == 1


def test_the_fifth_point_becomes_a_coupon() -> None:
    account, postings = settle_points(Account(CUSTOMER), earn(1, 2, 3, 4))
    assert (account.points, account.usable) == (4, ())
    account, postings = settle_points(account, earn(5))
    assert (account.points, account.coupons_made) == (0, 1)
    assert account.usable == (coupon_id(CUSTOMER, 1),)
    assert [(one.kind, one.gain, one.balance) for one in postings] == [
        (PostingKind.EARN, 1, 5),
        (PostingKind.REDEEM, -5, 0),
    ]
    assert {one.order_id for one in postings} == {"ord_5"}


def test_a_coupon_whose_points_are_taken_back_is_voided_and_made_anew() -> None:
    account, _ = settle_points(Account(CUSTOMER), earn(1, 2, 3, 4, 5))
    account, postings = settle_points(account, lose(3))
    assert (account.points, account.usable) == (4, ())
    assert [one.kind for one in postings] == [PostingKind.REVERSE, PostingKind.VOID]
    assert postings[1].coupon_id == coupon_id(CUSTOMER, 1)
    account, _ = settle_points(account, earn(3))
    # Another one: a picture of the voided coupon must not work again.
    assert account.usable == (coupon_id(CUSTOMER, 2),)


def test_who_has_used_the_coupon_owes_the_point() -> None:
    used = Account(CUSTOMER, points=0, coupons_made=1)
    owing, postings = settle_points(used, lose(3))
    assert (owing.points, len(postings)) == (-1, 1)
    again, _ = settle_points(owing, earn(6))
    assert (again.points, again.usable) == (0, ())


def test_a_payment_that_moves_to_another_order_leaves_the_coupon_alone() -> None:
    account, _ = settle_points(Account(CUSTOMER), earn(1, 2, 3, 4, 5))
    moved, postings = settle_points(account, lose(1) + earn(9))
    assert moved == account
    assert [one.kind for one in postings] == [PostingKind.EARN, PostingKind.REVERSE]


def test_nothing_that_moves_posts_nothing() -> None:
    assert settle_points(Account(CUSTOMER, points=3), []) == (Account(CUSTOMER, points=3), [])


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=12), max_size=20), st.data())
def test_books_always_balance(steps: list[list[bool]], data: st.DataObject) -> None:
    account, earned, total, voided = Account(CUSTOMER), 0, 0, 0
    ever: set[str] = set()
    for number, gains in enumerate(steps):
        moves = [Move(f"ord_{number}_{at}", 1 if gain else -1) for at, gain in enumerate(gains)]
        account, postings = settle_points(account, moves)
        earned += sum(move.points for move in moves)
        total += sum(posting.gain for posting in postings)
        made = [one.coupon_id for one in postings if one.kind is PostingKind.REDEEM]
        assert not ever & set(made)
        ever |= {str(coupon) for coupon in made}
        voided += sum(posting.kind is PostingKind.VOID for posting in postings)
        assert postings[-1].balance == account.points == total
        assert account.points == earned - POINTS_A_COUPON * (account.coupons_made - voided)
        assert account.points < POINTS_A_COUPON
        assert account.points >= 0 or not account.usable
        if account.usable and data.draw(st.booleans()):
            account = Account(
                CUSTOMER, account.points, account.coupons_made, account.usable[1:]
            )  # a till has used the oldest


def test_a_customer_is_found_only_with_the_key() -> None:
    assert len(CUSTOMER) == 32
    assert customer_of(b"k" * 32, "a12") == customer_of(b"k" * 32, "A12")
    assert customer_of(b"l" * 32, "1211103456") != CUSTOMER
    assert b"1211103456" not in CUSTOMER


def test_what_is_told_gives_neither_customer_nor_coupon_away() -> None:
    _, postings = settle_points(Account(CUSTOMER, points=4), earn(5))
    told = repr([posting_event(posting) for posting in postings])
    for secret in (CUSTOMER.hex(), repr(CUSTOMER), coupon_id(CUSTOMER, 1), pseudonym(CUSTOMER)):
        assert secret not in told
    assert [posting_event(posting).type for posting in postings] == [
        "loyalty.earned",
        "loyalty.coupon_made",
    ]
    assert CUSTOMER.hex()[:10] not in pseudonym(CUSTOMER)


def test_coupons_of_one_customer_do_not_tell_each_other() -> None:
    ids = {coupon_id(CUSTOMER, number) for number in range(1, 200)}
    assert len(ids) == 199
    assert all(len(one) == len("cpn_") + 26 for one in ids)
