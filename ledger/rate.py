"""Which rate a new order is locked at: the shop's own, or the newest all-milk price."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

FEED_DECIMALS = 8
MAX_RATE = Decimal(1_000_000)


class RateSource(StrEnum):
    """Where rates come from."""

    FIXED = "fixed"
    FEED = "feed"


class WhenStale(StrEnum):
    """What happens to sales while no price is young enough."""

    LAST_GOOD = "last_good"
    FIXED = "fixed"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class FeedPrice:
    """A published all-milk price: ringgit per litre with 8 decimals; times in Unix seconds."""

    round_id: int
    price: int
    updated_at: int
    block_number: int

    @property
    def rate(self) -> Decimal | None:
        """Ringgit per BILL, for 1 BILL is 1 litre; None where no shop could mean it."""
        rate = Decimal(self.price).scaleb(-FEED_DECIMALS)
        return rate if 0 < rate <= MAX_RATE else None


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """What the manager chose: the shop's own rate, how old a price may be, and what then."""

    source: RateSource
    fixed_rate: Decimal
    max_age_seconds: int
    when_stale: WhenStale


@dataclass(frozen=True, slots=True)
class LockedRate:
    """Ringgit per BILL, where it comes from (`fixed`, `feed` or `last_good`), and of when."""

    rate_myr_per_bill: Decimal
    source: str
    updated_at: int | None = None


def lock_rate(policy: RatePolicy, newest: FeedPrice | None, *, now: int) -> LockedRate | None:
    """The rate of an order made now; None when the manager wants no sale at an old price.

    Without any price that can be meant, the shop's own rate is the last good one.
    """
    fixed = LockedRate(policy.fixed_rate, "fixed")
    if policy.source is RateSource.FIXED:
        return fixed
    rate = None if newest is None else newest.rate
    if newest is not None and rate is not None:
        if now - newest.updated_at <= policy.max_age_seconds:
            return LockedRate(rate, "feed", newest.updated_at)
        if policy.when_stale is WhenStale.LAST_GOOD:
            return LockedRate(rate, "last_good", newest.updated_at)
    return None if policy.when_stale is WhenStale.REFUSE else fixed
