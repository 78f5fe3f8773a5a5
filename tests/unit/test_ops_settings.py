"""The operator's table of settings is the code's, and what the guide names is there."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from typer.main import get_command

from indexer.__main__ import app
from indexer.settings import IndexerSettings
from ledger.units import Sen, format_myr
from oracle_api.settings import DEFAULT_CATALOGUE, Settings

GUIDE = (Path(__file__).parents[2] / "docs/operator.md").read_text()
ROW = re.compile(
    r"^\| `([A-Z_]+)` \| (both|indexer|oracle) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE
)
WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}


def told() -> dict[tuple[str, str], str]:
    """The guide's defaults by service and variable."""
    return {
        (service, variable): default.strip()
        for variable, readers, default, _ in ROW.findall(GUIDE)
        for service in (("indexer", "oracle") if readers == "both" else (readers,))
    }


def settings_of(kind: type[BaseSettings]) -> dict[str, str]:
    return {
        str(field.validation_alias or f"BILLCOIN_{name.upper()}"): _default(name, field)
        for name, field in kind.model_fields.items()
    }


def _default(name: str, field: FieldInfo) -> str:
    value: Any = field.default
    if field.is_required():
        return "required"
    if value is None or value == ():
        return "none"
    if value is DEFAULT_CATALOGUE:
        return f"{WORDS[len(value)]} milks"
    if name.endswith("_myr"):
        return format_myr(Sen(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_table_holds_every_setting_with_its_default() -> None:
    expected = {
        (service, variable): default
        for service, kind in (("indexer", IndexerSettings), ("oracle", Settings))
        for variable, default in settings_of(kind).items()
    }
    assert told() == expected


def test_defaults_are_read_as_a_person_writes_them() -> None:
    oracle = settings_of(Settings)
    assert oracle["BILLCOIN_SAFE_LIMIT_MYR"] == "500.00"
    assert Decimal(oracle["BILLCOIN_RATE_MYR_PER_BILL"]) == Decimal("7.2")
    assert settings_of(IndexerSettings)["BILLCOIN_BLOCK_TIME_SECONDS"] == "2"


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`billcoin-indexer ([a-z-]+)", GUIDE))))
def test_every_command_that_the_guide_names_exists(command: str) -> None:
    commands: Any = get_command(app)
    assert command in commands.commands


def test_links_inside_the_guide_lead_somewhere() -> None:
    headings = {
        heading.lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([a-z-]+)\)", GUIDE)) <= headings
