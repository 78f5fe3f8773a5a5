"""The oracle's settings: read once from the environment, frozen, passed on."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PostgresDsn,
    SecretStr,
    ValidationError,
)
from pydantic_settings import NoDecode, SettingsError

from ledger.confidence import Limits
from ledger.deployment import Deployment
from ledger.errors import RejectedError
from ledger.payment_policy import ConfirmationPolicy
from ledger.payment_uri import MAX_CHAIN_ID, format_address
from ledger.rate import MAX_RATE, RatePolicy
from ledger.units import Sen, format_myr, parse_myr
from oracle_api.access.settings import AccessSettings, check_access
from oracle_api.addresses import Address
from oracle_api.budgets.settings import BudgetSettings
from oracle_api.loyalty.settings import LoyaltySettings
from oracle_api.prices.settings import RateSettings
from oracle_api.relay.key_file import check_relay
from oracle_api.relay.settings import RelaySettings
from oracle_api.standing_orders.settings import StandingOrderSettings
from oracle_api.webhooks.settings import WebhookSettings, check_webhooks

RATE_DECIMALS = 8
"""As many as the ledger keeps of an order's rate."""

MAX_EXPOSURE_SEN = 10**15
"""More ringgit than there are, and less than a database's integer holds."""


def _ringgit(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_myr(value, param="it")
    except RejectedError as error:
        raise ValueError(str(error)) from error


def _rate(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if not value.is_finite() or not 0 < value <= MAX_RATE:
        raise ValueError(f"it must be more than 0 and at most {MAX_RATE}")
    if isinstance(exponent, int) and -exponent > RATE_DECIMALS:
        raise ValueError(f"it must have at most {RATE_DECIMALS} decimals")
    return value


def _unique_skus(products: tuple["Product", ...]) -> tuple["Product", ...]:
    skus = [product.sku for product in products]
    if len(set(skus)) < len(skus):
        raise ValueError("a sku is there twice")
    return products


def _names(value: Any) -> Any:
    """Names with commas between; an empty one is none."""
    return tuple(filter(None, re.split(r"[,\s]+", value))) if isinstance(value, str) else value


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        message = f"{text} is no address and no network such as 10.0.0.0/8"
        raise ValueError(message) from None


Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...], NoDecode, BeforeValidator(_names)
]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
Names = Annotated[tuple[HostName, ...], NoDecode, BeforeValidator(_names)]
Ringgit = Annotated[Sen, BeforeValidator(_ringgit)]
Exposure = Annotated[Ringgit, Field(ge=0, le=MAX_EXPOSURE_SEN)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Product(BaseModel):
    """Something that the store sells; `price_myr` in sen."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    sku: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    name: str = Field(min_length=1, max_length=120)
    price_myr: Ringgit = Field(alias="priceMyr", gt=0, le=100_000_00)


DEFAULT_CATALOGUE: tuple[Product, ...] = tuple(
    Product(sku=sku, name=name, price_myr=Sen(price))
    for sku, name, price in (
        ("fresh-250ml", "Fresh milk 250 ml", 180),
        ("fresh-1l", "Fresh milk 1 l", 720),
        ("low-fat-250ml", "Low-fat milk 250 ml", 180),
        ("skimmed-250ml", "Skimmed milk 250 ml", 180),
        ("chocolate-250ml", "Chocolate milk 250 ml", 220),
    )
)


class Settings(
    WebhookSettings,
    StandingOrderSettings,
    RateSettings,
    RelaySettings,
    BudgetSettings,
    LoyaltySettings,
    AccessSettings,
):
    """What `billcoin-oracle serve` is told; amounts in sen, addresses 20 bytes."""

    database_url: PostgresDsn = Field(validation_alias="DATABASE_URL")
    chain_id: int = Field(ge=1, le=MAX_CHAIN_ID)
    token_address: Address
    vault_factory_address: Address
    vault_implementation_address: Address
    treasury_address: Address
    oracle_host: str = "127.0.0.1"
    oracle_port: int = Field(default=8400, ge=0, le=65_535)
    oracle_names: Names = ()
    trusted_proxies: Networks = ()
    rate_myr_per_bill: Annotated[Decimal, AfterValidator(_rate)] = Decimal("7.20")
    order_ttl_seconds: int = Field(default=900, ge=1, le=86_400)
    included_limit_myr: Ringgit = Sen(50_00)
    safe_limit_myr: Ringgit = Sen(500_00)
    payer_exposure_limit_myr: Exposure = Sen(10_000_00)
    store_exposure_limit_myr: Exposure = Sen(100_000_00)
    max_observation_age_seconds: Seconds = 10.0
    max_blocks_behind: int = Field(default=5, ge=0)
    max_tip_age_seconds: Seconds = 60.0
    nodes_required: int | None = Field(default=None, ge=1)
    max_wait_seconds: float = Field(default=30.0, ge=0, le=300)
    store_id: str = Field(default="cafeteria", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    catalogue: Annotated[tuple[Product, ...], Field(min_length=1), AfterValidator(_unique_skus)] = (
        DEFAULT_CATALOGUE
    )
    jobs_metrics_host: str = "127.0.0.1"
    jobs_metrics_port: int | None = Field(default=None, ge=1, le=65_535)
    attestation_verifier_address: Address | None = None
    attestation_keys_file: Path | None = None
    attestation_keys: SecretStr | None = None
    attestation_keys_password: SecretStr | None = None
    attestation_ttl_seconds: int = Field(default=300, ge=60, le=86_400)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @cached_property
    def deployment(self) -> Deployment:
        """The chain and the contracts that this oracle answers for."""
        return Deployment(
            chain_id=self.chain_id,
            token=self.token_address,
            vault_factory=self.vault_factory_address,
            vault_implementation=self.vault_implementation_address,
            treasury=self.treasury_address,
        )

    @cached_property
    def rate_policy(self) -> RatePolicy:
        """Which rate a new order is locked at."""
        return RatePolicy(
            self.rate_source,
            self.rate_myr_per_bill,
            self.rate_max_age_seconds,
            self.rate_when_stale,
        )

    @cached_property
    def limits(self) -> Limits:
        """How old or how far behind the ledger may be for an answer."""
        return Limits(
            observation_age_seconds=self.max_observation_age_seconds,
            blocks_behind=self.max_blocks_behind,
            tip_age_seconds=self.max_tip_age_seconds,
            nodes_required=self.nodes_required,
        )

    @cached_property
    def confirmation_policy(self) -> ConfirmationPolicy:
        """Which amount is released at which depth."""
        return ConfirmationPolicy(self.included_limit_myr, self.safe_limit_myr)

    @cached_property
    def products(self) -> Mapping[str, Product]:
        """The catalogue by sku."""
        return {product.sku: product for product in self.catalogue}

    def describe(self) -> dict[str, Any]:
        """What may be logged: everything but the database's URL, which holds a password."""
        return {
            "chainId": self.chain_id,
            "token": format_address(self.token_address),
            "treasury": format_address(self.treasury_address),
            "access": self.access,
            "storeId": self.store_id,
            "rateMyrPerBill": str(self.rate_myr_per_bill),
            "rateSource": str(self.rate_source),
            "includedLimitMyr": format_myr(self.included_limit_myr),
            "safeLimitMyr": format_myr(self.safe_limit_myr),
            "payerExposureLimitMyr": format_myr(self.payer_exposure_limit_myr),
            "storeExposureLimitMyr": format_myr(self.store_exposure_limit_myr),
        }


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        RejectedError: `setting_wrong`; the message names each variable and what is wrong with it.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        # Never with the input: it may be the database's password.
        first_of: dict[int | str, str] = {}
        for item in error.errors(include_input=False):
            first_of.setdefault(item["loc"][0], _complaint(item["loc"], item["msg"]))
        raise RejectedError("setting_wrong", "\n".join(first_of.values())) from None
    except SettingsError:
        message = "BILLCOIN_CATALOGUE must be a JSON array of {sku, name, priceMyr}"
        raise RejectedError("setting_wrong", message) from None
    if settings.safe_limit_myr < settings.included_limit_myr:
        message = "BILLCOIN_SAFE_LIMIT_MYR must not be less than BILLCOIN_INCLUDED_LIMIT_MYR"
        raise RejectedError("setting_wrong", message)
    check_access(settings, host=settings.oracle_host)
    _ = settings.student_key  # read now, so that a wrong one is told at once
    check_relay(settings)
    check_webhooks(settings)
    return settings


def _complaint(location: Sequence[int | str], message: str) -> str:
    name = str(location[0])
    variable = name if name == "DATABASE_URL" else f"BILLCOIN_{name.upper()}"
    inside = "".join(f"[{part}]" for part in location[1:])
    if message == "Field required" and not inside:
        return f"{variable} is not set; set it (see `billcoin-oracle serve --help`)"
    return f"{variable}{inside}: {message.removeprefix('Value error, ')}"
