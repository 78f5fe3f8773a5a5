"""Wallets on disk: encrypted, private, never overwritten."""

import json
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from eth_account import Account

from devnet import keystore
from devnet.keystore import create_wallet, find_wallet, list_wallets, unlock_wallet
from devnet.transactions import address_of
from ledger.errors import RejectedError


@pytest.fixture(autouse=True)
def fast_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real work factor takes a second a wallet."""
    encrypt: Callable[..., object] = partial(Account.encrypt, kdf="pbkdf2", iterations=2)
    monkeypatch.setattr(keystore.Account, "encrypt", encrypt)


def test_a_wallet_can_be_found_listed_and_unlocked(tmp_path: Path) -> None:
    made = create_wallet(tmp_path, "student", "milk")
    assert find_wallet(tmp_path, "student") == made
    create_wallet(tmp_path, "other", "milk")
    assert [wallet.name for wallet in list_wallets(tmp_path)] == ["other", "student"]
    assert address_of(unlock_wallet(made, "milk")) == made.address


def test_the_key_is_encrypted_and_private(tmp_path: Path) -> None:
    made = create_wallet(tmp_path, "student", "milk")
    key = unlock_wallet(made, "milk").key.hex()
    assert key not in made.path.read_text()
    assert json.loads(made.path.read_text())["version"] == 3
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700


def test_a_wallet_is_never_overwritten(tmp_path: Path) -> None:
    made = create_wallet(tmp_path, "student", "milk")
    with pytest.raises(RejectedError) as refusal:
        create_wallet(tmp_path, "student", "milk")
    assert refusal.value.code == "wallet_exists"
    assert find_wallet(tmp_path, "student") == made


def test_a_failed_wallet_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> object:
        raise OSError

    monkeypatch.setattr(keystore.Account, "encrypt", refuse)
    with pytest.raises(OSError):  # noqa: PT011 - the very one that was raised
        create_wallet(tmp_path, "student", "milk")
    assert list_wallets(tmp_path) == []


@pytest.mark.parametrize("name", ["", "../x", "Student", "a b", "x" * 33, "-a", "ü"])
def test_names_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(RejectedError) as refusal:
        create_wallet(tmp_path, name, "milk")
    assert refusal.value.code == "wallet_name_invalid"


def test_what_is_missing_or_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(RejectedError) as refusal:
        find_wallet(tmp_path, "student")
    assert refusal.value.code == "wallet_missing"
    with pytest.raises(RejectedError) as refusal:
        create_wallet(tmp_path, "student", "")
    assert refusal.value.code == "password_empty"
    made = create_wallet(tmp_path, "student", "milk")
    with pytest.raises(RejectedError) as refusal:
        unlock_wallet(made, "water")
    assert refusal.value.code == "password_wrong"
