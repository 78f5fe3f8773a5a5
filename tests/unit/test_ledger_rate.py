"""The rate of an order: the shop's own or the newest price, and what a late price does."""

from decimal import Decimal

import pytest

from ledger.rate import FeedPrice, LockedRate, RatePolicy, RateSource, WhenStale, lock_rate

NOW = 1_000_000
FIXED = Decimal("7.20")
PRICE = FeedPrice(round_id=3, price=725_000_000, updated_at=NOW - 100, block_number=9)


def policy(
    when_stale: WhenStale = WhenStale.LAST_GOOD, *, source: RateSource = RateSource.FEED
) -> RatePolicy:
    return RatePolicy(source, FIXED, 100, when_stale)


def test_a_fixed_rate_asks_no_feed() -> None:
    found = lock_rate(policy(source=RateSource.FIXED), PRICE, now=NOW)
    assert found == LockedRate(FIXED, "fixed")


@pytest.mark.parametrize("when_stale", WhenStale)
def test_a_young_price_is_taken_to_the_last_second(when_stale: WhenStale) -> None:
    expected = LockedRate(Decimal("7.25"), "feed", PRICE.updated_at)
    assert lock_rate(policy(when_stale), PRICE, now=NOW) == expected
    # The chain's clock may run ahead of ours.
    assert lock_rate(policy(when_stale), PRICE, now=NOW - 500) == expected


@pytest.mark.parametrize(
    ("when_stale", "expected"),
    [
        (WhenStale.LAST_GOOD, LockedRate(Decimal("7.25"), "last_good", PRICE.updated_at)),
        (WhenStale.FIXED, LockedRate(FIXED, "fixed")),
        (WhenStale.REFUSE, None),
    ],
)
def test_an_old_price_does_what_the_manager_chose(
    when_stale: WhenStale, expected: LockedRate | None
) -> None:
    assert lock_rate(policy(when_stale), PRICE, now=NOW + 1) == expected


@pytest.mark.parametrize("price", [0, -1, 10**6 * 10**8 + 1, 2**255 - 1])
@pytest.mark.parametrize(
    ("when_stale", "expected"),
    [
        (WhenStale.LAST_GOOD, LockedRate(FIXED, "fixed")),
        (WhenStale.FIXED, LockedRate(FIXED, "fixed")),
        (WhenStale.REFUSE, None),
    ],
)
def test_without_a_price_that_can_be_meant_sales_go_on_unless_refused(
    price: int, when_stale: WhenStale, expected: LockedRate | None
) -> None:
    nonsense = FeedPrice(round_id=4, price=price, updated_at=NOW, block_number=9)
    assert lock_rate(policy(when_stale), nonsense, now=NOW) == expected
    assert lock_rate(policy(when_stale), None, now=NOW) == expected
