"""Where standing orders are collected, and how much of our gas that may take."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from oracle_api.addresses import Address
from oracle_api.relay.settings import WEI_PER_COIN, coin


class StandingOrderSettings(BaseSettings):
    """Without the contract's address nothing is registered; without a relayer, not collected."""

    standing_orders_address: Address | None = None
    collect_max_orders: int = Field(default=256, ge=1, le=10_000)
    collect_daily_gas_coin: Annotated[Decimal, AfterValidator(coin)] = Decimal(1)

    @property
    def collect_daily_gas_wei(self) -> int:
        """What all collections of 24 hours may cost together at the most."""
        return int(self.collect_daily_gas_coin * WEI_PER_COIN)
