"""The settings about budgets, failures and alerts; part of the oracle's settings."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings


def _redis_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("redis://", "rediss://")):
        raise ValueError("it must begin with redis:// or rediss://")
    return value


def _https_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
        raise ValueError("it must begin with https://")
    return value


PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]


class BudgetSettings(BaseSettings):
    """How much each kind of caller may ask for, and when the operators hear of failures."""

    limits_url: Annotated[SecretStr, AfterValidator(_redis_url)] | None = None
    user_attempts_per_minute: PerMinute = 10
    anonymous_attempts_per_minute: PerMinute = 30
    till_attempts_per_minute: PerMinute = 600
    partner_attempts_per_minute: PerMinute = 6_000
    account_requests_per_minute: PerMinute = 3_000
    anonymous_requests_per_minute: PerMinute = 600
    user_failures_limit: int = Field(default=3, ge=1, le=1_000)
    partner_failures_limit: int = Field(default=100, ge=1, le=100_000)
    slack_webhook_url: Annotated[SecretStr, AfterValidator(_https_url)] | None = None
