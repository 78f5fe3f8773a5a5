"""Wallets on disk: one encrypted key a file (the Web3 Secret Storage that every wallet reads)."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.signing import Account, LocalAccount
from devnet.home import make_private
from ledger.errors import RejectedError
from ledger.payment_uri import parse_address

DEFAULT_WALLET = "default"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


@dataclass(frozen=True)
class Wallet:
    """A wallet's name and address, which are readable without its password."""

    name: str
    address: bytes
    path: Path


def _path(home: Path, name: str) -> Path:
    if _NAME.fullmatch(name) is None:
        raise RejectedError(
            "wallet_name_invalid",
            "a wallet's name has 1 to 32 lower-case letters, digits and hyphens",
            param="name",
        )
    return home / "wallets" / f"{name}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise RejectedError(
            "wallet_missing",
            f"there is no wallet {path.stem}: `billcoin-devnet wallet new --name {path.stem}` "
            "makes it, `wallet list` shows those there are",
            param="name",
        ) from None
    return fields


def save_wallet(home: Path, name: str, account: LocalAccount, password: str) -> Wallet:
    """Encrypt the account's key into a new file; an existing wallet is never overwritten.

    Raises:
        RejectedError: `wallet_exists`, `wallet_name_invalid` or `password_empty`.
    """
    path = _path(home, name)
    if not password:
        raise RejectedError("password_empty", "a wallet needs a password", param="password")
    make_private(home)
    make_private(path.parent)
    # The file is claimed before the slow encryption, so that two cannot make the same wallet.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    except FileExistsError:
        raise RejectedError(
            "wallet_exists", f"there is a wallet {name} already", param="name"
        ) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(Account.encrypt(account.key, password), file)
    except BaseException:
        path.unlink()
        raise
    return find_wallet(home, name)


def create_wallet(home: Path, name: str, password: str) -> Wallet:
    """Make a wallet with a new random key; see `save_wallet`."""
    account: LocalAccount = Account.create()
    return save_wallet(home, name, account, password)


def find_wallet(home: Path, name: str) -> Wallet:
    """The wallet of this name, still locked.

    Raises:
        RejectedError: `wallet_missing`.
    """
    path = _path(home, name)
    address = parse_address("0x" + _read(path)["address"].removeprefix("0x"), param="address")
    return Wallet(name, address, path)


def list_wallets(home: Path) -> list[Wallet]:
    """All wallets, by name."""
    return [find_wallet(home, path.stem) for path in sorted((home / "wallets").glob("*.json"))]


def unlock_wallet(wallet: Wallet, password: str) -> LocalAccount:
    """The account that can sign.

    Raises:
        RejectedError: `password_wrong`.
    """
    try:
        key = Account.decrypt(_read(wallet.path), password)
    except ValueError as error:
        raise RejectedError(
            "password_wrong", f"this is not the password of {wallet.name}", param="password"
        ) from error
    account: LocalAccount = Account.from_key(key)
    return account
