"""Whom the devnet's commands show an API key to, and whom they do not."""

from pathlib import Path

import pytest

from devnet.accounts import Accounts, load_accounts
from devnet.credentials import api_key_for, oracle_url_of
from devnet.manifest import write_manifest
from devnet.oracle_client import SignIn
from ledger.errors import RejectedError

KEY = "bck_test_of_the_demo"
DEMO = "http://127.0.0.1:8400"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_manifest(tmp_path, {"BILLCOIN_ORACLE_PORT": "8400", "BILLCOIN_API_KEY": KEY})
    return tmp_path


def test_the_demos_key_goes_to_the_demo(home: Path) -> None:
    assert oracle_url_of(home, {}) == DEMO
    assert api_key_for(DEMO, None, home) == KEY
    assert api_key_for(f"{DEMO}/", "", home) == KEY


@pytest.mark.parametrize(
    "url",
    [
        "https://oracle.example",
        "http://127.0.0.1:8401",
        "https://127.0.0.1:8400",
        "http://127.0.0.1:8400@evil.example",
        "http://127.0.0.1.evil.example:8400",
    ],
)
def test_and_to_nobody_else(home: Path, url: str) -> None:
    assert api_key_for(url, None, home) is None


def test_a_key_that_was_given_crosses_no_network_in_the_clear(home: Path) -> None:
    for url in ("https://oracle.example", "http://localhost:8400", "http://[::1]:8400"):
        assert api_key_for(url, "mine", home) == "mine"
    for url in ("http://oracle.example", "http://127.0.0.1@oracle.example", "ftp://x", "nonsense"):
        with pytest.raises(RejectedError) as refusal:
            api_key_for(url, "mine", home)
        assert refusal.value.code == "oracle_insecure"


def test_without_a_demo_there_is_no_key_and_no_address(tmp_path: Path) -> None:
    assert api_key_for(DEMO, None, tmp_path) is None
    with pytest.raises(RejectedError, match="BILLCOIN_HOME"):
        oracle_url_of(tmp_path, {})


def test_accounts_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    assert load_accounts(tmp_path) is None
    people = [SignIn(name, f"{name}'s password") for name in ("a", "b", "c", "d")]
    accounts = Accounts(*people, partner="shop", api_key=KEY)
    assert accounts.save(tmp_path).stat().st_mode & 0o077 == 0
    assert load_accounts(tmp_path) == accounts
    assert "password" not in repr(people)
