"""Where an order's rate comes from, and how old it may be."""

from pydantic import Field
from pydantic_settings import BaseSettings

from ledger.rate import RateSource, WhenStale


class RateSettings(BaseSettings):
    """The manager's choice about rates; nothing here ever stops sales unless it says `refuse`."""

    rate_source: RateSource = RateSource.FIXED
    rate_max_age_seconds: int = Field(default=86_400, ge=1, le=366 * 86_400)
    rate_when_stale: WhenStale = WhenStale.LAST_GOOD
