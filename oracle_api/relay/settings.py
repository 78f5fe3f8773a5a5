"""The relay's settings; without a node and a key there is no relay."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

WEI_PER_GWEI = 10**9
WEI_PER_COIN = 10**18
MAX_COIN = 1_000_000


def _http_url(value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise ValueError("it must be an http:// or https:// URL")
    return value


def coin(value: Decimal) -> Decimal:
    """An amount of the chain's coin that a setting may name.

    Raises:
        ValueError: it is out of range.
    """
    if not value.is_finite() or not 0 < value <= MAX_COIN:
        raise ValueError(f"it must be more than 0 and at most {MAX_COIN}")
    return value


class RelaySettings(BaseSettings):
    """What broadcasting for wallets without gas needs, and how much of our gas it may take."""

    relayer_node_url: Annotated[str | None, AfterValidator(_http_url)] = Field(
        default=None, repr=False
    )
    relayer_key_file: Path | None = None
    relayer_max_fee_gwei: int = Field(default=100, ge=1, le=1_000_000)
    relayer_daily_gas_coin: Annotated[Decimal, AfterValidator(coin)] = Decimal(2)
    relayer_payer_daily_limit: int = Field(default=20, ge=1, le=1_000_000)
    relayer_max_outstanding: int = Field(default=256, ge=1, le=10_000)
    relayer_margin_seconds: int = Field(default=15, ge=1, le=3600)
    relayer_stuck_blocks: int = Field(default=6, ge=1, le=1000)
    relayer_poll_seconds: float = Field(default=1.0, gt=0, le=60)

    @property
    def relayer_max_fee_wei(self) -> int:
        """What a transaction may offer per gas at the most."""
        return self.relayer_max_fee_gwei * WEI_PER_GWEI

    @property
    def relayer_daily_gas_wei(self) -> int:
        """What all transactions of 24 hours may cost together at the most."""
        return int(self.relayer_daily_gas_coin * WEI_PER_COIN)
