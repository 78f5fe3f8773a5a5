"""Settings are read once and strictly; what is wrong is named."""

import json
from decimal import Decimal

import pytest
from pydantic import ValidationError

from ledger.errors import RejectedError
from oracle_api.settings import Settings, read_settings

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
NEEDED = {
    "DATABASE_URL": "postgresql://milk:secret-word@127.0.0.1:5432/milk",
    "BILLCOIN_CHAIN_ID": "31337",
    "BILLCOIN_TOKEN_ADDRESS": ADDRESS,
    "BILLCOIN_VAULT_FACTORY_ADDRESS": ADDRESS.lower(),
    "BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS": ADDRESS,
    "BILLCOIN_TREASURY_ADDRESS": ADDRESS,
}

TWICE = json.dumps([{"sku": "a", "name": name, "priceMyr": "1"} for name in "AB"])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def complaint() -> str:
    with pytest.raises(RejectedError) as refusal:
        read_settings()
    assert "secret-word" not in str(refusal.value)
    return str(refusal.value)


def test_the_defaults_are_the_documented_ones() -> None:
    settings = read_settings()
    assert settings.oracle_host == "127.0.0.1"
    assert settings.oracle_port == 8400
    assert settings.rate_myr_per_bill == Decimal("7.20")
    assert settings.order_ttl_seconds == 900
    assert settings.included_limit_myr == 50_00
    assert settings.safe_limit_myr == 500_00
    assert settings.max_wait_seconds == 30
    assert settings.products["fresh-250ml"].price_myr == 180
    assert settings.limits.observation_age_seconds == 10
    assert settings.limits.blocks_behind == 5
    assert settings.limits.tip_age_seconds == 60
    assert settings.limits.nodes_required is None
    assert settings.oracle_names == ()
    assert settings.deployment.token == bytes.fromhex(ADDRESS[2:])
    kinds = {product.sku.rsplit("-", 1)[0] for product in settings.catalogue}
    assert kinds >= {"fresh", "low-fat", "skimmed", "chocolate"}


def test_they_are_frozen_and_show_no_password() -> None:
    settings = read_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.oracle_port = 1  # type: ignore[misc]
    assert "secret-word" not in str(settings.describe())


def test_a_catalogue_of_ones_own(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(
        "BILLCOIN_CATALOGUE", '[{"sku": "oat-1l", "name": "Oat", "priceMyr": "9.90"}]'
    )
    assert read_settings().products["oat-1l"].price_myr == 990


def test_a_variable_that_is_empty_is_not_set(environment: pytest.MonkeyPatch) -> None:
    for name in ("BILLCOIN_ORACLE_NAMES", "BILLCOIN_NODES_REQUIRED", "BILLCOIN_STORE_ID"):
        environment.setenv(name, "")
    assert read_settings().nodes_required is None
    environment.setenv("BILLCOIN_ORACLE_NAMES", "Pay.example, till.example")
    assert read_settings().oracle_names == ("Pay.example", "till.example")


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_missing_variable_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    assert f"{name} is not set" in complaint()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://milk:secret-word@host/milk"),
        ("BILLCOIN_CHAIN_ID", "0"),
        ("BILLCOIN_CHAIN_ID", "mainnet"),
        ("BILLCOIN_TOKEN_ADDRESS", ADDRESS.replace("5a", "5A")),
        ("BILLCOIN_TOKEN_ADDRESS", "billcoin.eth"),
        ("BILLCOIN_ORACLE_PORT", "70000"),
        ("BILLCOIN_RATE_MYR_PER_BILL", "0"),
        ("BILLCOIN_RATE_MYR_PER_BILL", "NaN"),
        ("BILLCOIN_RATE_MYR_PER_BILL", "-7.2"),
        ("BILLCOIN_RATE_MYR_PER_BILL", "7.200000001"),
        ("BILLCOIN_ORDER_TTL_SECONDS", "0"),
        ("BILLCOIN_INCLUDED_LIMIT_MYR", "fifty"),
        ("BILLCOIN_SAFE_LIMIT_MYR", "49.99"),
        ("BILLCOIN_MAX_WAIT_SECONDS", "301"),
        ("BILLCOIN_NODES_REQUIRED", "0"),
        ("BILLCOIN_ORACLE_NAMES", "pay.example, https://pay.example"),
        ("BILLCOIN_TRUSTED_PROXIES", "*"),
        ("BILLCOIN_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("BILLCOIN_TRUSTED_PROXIES", "10.0.0.1, proxy.example"),
        ("BILLCOIN_STORE_ID", "the store"),
        ("BILLCOIN_LOG_LEVEL", "LOUD"),
        ("BILLCOIN_CATALOGUE", "["),
        ("BILLCOIN_CATALOGUE", "[]"),
        ("BILLCOIN_CATALOGUE", '[{"sku": "A", "name": "A", "priceMyr": "1"}]'),
        ("BILLCOIN_CATALOGUE", '[{"sku": "a", "name": "A", "priceMyr": "0"}]'),
        ("BILLCOIN_CATALOGUE", TWICE),
    ],
)
def test_a_wrong_variable_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    assert name in complaint()


def test_every_variable_is_in_the_help() -> None:
    from oracle_api.__main__ import serve  # noqa: PLC0415 - the command line, for this test alone

    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"BILLCOIN_{name.upper()}")
        assert variable in str(serve.__doc__)
