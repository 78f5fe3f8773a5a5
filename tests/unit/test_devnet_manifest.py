"""The manifest: exact names, private files, and the environment's last word."""

import json
import shlex
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from devnet.home import state_home
from devnet.manifest import Manifest, load_manifest, read_manifest, write_manifest
from ledger.deployment import Deployment, Economy
from ledger.errors import RejectedError

MANIFEST = Manifest(
    Deployment(
        chain_id=31337,
        token=b"\1" * 20,
        vault_factory=b"\2" * 20,
        vault_implementation=b"\3" * 20,
        treasury=b"\xab" * 20,
    ),
    node_http_url="http://127.0.0.1:8545",
    node_ws_url="ws://127.0.0.1:8545",
    start_block=7,
)
ECONOMY = Economy(b"\4" * 20, b"\5" * 20, b"\6" * 20, b"\7" * 20)


def test_the_names_are_those_that_services_read() -> None:
    assert list(MANIFEST.variables()) == [
        "BILLCOIN_CHAIN_ID",
        "BILLCOIN_NODE_HTTP_URL",
        "BILLCOIN_NODE_WS_URL",
        "BILLCOIN_TOKEN_ADDRESS",
        "BILLCOIN_VAULT_FACTORY_ADDRESS",
        "BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS",
        "BILLCOIN_TREASURY_ADDRESS",
        "BILLCOIN_START_BLOCK",
    ]


def test_the_economy_s_contracts_are_named_where_there_are_some(tmp_path: Path) -> None:
    manifest = replace(MANIFEST, economy=ECONOMY)
    names = list(manifest.variables())[len(MANIFEST.variables()) :]
    assert names == [
        "BILLCOIN_MINTING_MODULE_ADDRESS",
        "BILLCOIN_MILK_MARKET_ADDRESS",
        "BILLCOIN_MILK_PRICE_FEED_ADDRESS",
        "BILLCOIN_STANDING_ORDERS_ADDRESS",
    ]
    write_manifest(tmp_path, manifest.variables())
    assert load_manifest(tmp_path, {}) == manifest


def test_the_attestation_verifier_is_named_where_there_is_one(tmp_path: Path) -> None:
    manifest = replace(MANIFEST, attestation_verifier=b"\x08" * 20)
    assert list(manifest.variables())[-1] == "BILLCOIN_ATTESTATION_VERIFIER_ADDRESS"
    write_manifest(tmp_path, manifest.variables())
    assert load_manifest(tmp_path, {}) == manifest


def test_half_an_economy_is_none() -> None:
    values = replace(MANIFEST, economy=ECONOMY).variables() | {"BILLCOIN_MILK_MARKET_ADDRESS": ""}
    with pytest.raises(RejectedError) as refusal:
        read_manifest(values)
    assert refusal.value.param == "BILLCOIN_MILK_MARKET_ADDRESS"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_manifest(tmp_path, MANIFEST.variables())
    assert load_manifest(tmp_path, {}) == MANIFEST


def test_the_environment_has_the_last_word(tmp_path: Path) -> None:
    write_manifest(tmp_path, MANIFEST.variables())
    found = load_manifest(tmp_path, {"BILLCOIN_START_BLOCK": "9", "BILLCOIN_CHAIN_ID": ""})
    assert found.start_block == 9
    assert found.deployment.chain_id == 31337


def test_both_files_are_private_and_say_the_same(tmp_path: Path) -> None:
    variables = MANIFEST.variables() | {"DATABASE_URL": "postgresql://u:it's $x@h/d"}
    path = write_manifest(tmp_path, variables)
    environment = tmp_path / ".env"
    assert json.loads(path.read_text()) == variables
    pairs = [shlex.split(line)[0].split("=", 1) for line in environment.read_text().splitlines()]
    assert dict(pairs) == variables
    assert {stat.S_IMODE(file.stat().st_mode) for file in (path, environment)} == {0o600}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("BILLCOIN_CHAIN_ID", "", "not_configured"),
        ("BILLCOIN_CHAIN_ID", "0x1", "not_configured"),
        ("BILLCOIN_START_BLOCK", "-1", "not_configured"),
        ("BILLCOIN_TOKEN_ADDRESS", "milk.eth", "address_invalid"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, code: str) -> None:
    with pytest.raises(RejectedError) as refusal:
        read_manifest(MANIFEST.variables() | {name: value})
    assert (refusal.value.code, refusal.value.param) == (code, name)
    assert name in str(refusal.value)


def test_home_is_in_the_working_folder_unless_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BILLCOIN_HOME", raising=False)
    assert state_home() == tmp_path / ".billcoin"
    monkeypatch.setenv("BILLCOIN_HOME", str(tmp_path / "else"))
    assert state_home() == tmp_path / "else"
