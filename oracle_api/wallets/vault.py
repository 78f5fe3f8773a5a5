"""Wallet addresses at rest: encrypted for those who may read one, hashed to find one again."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from ledger.errors import RejectedError
from oracle_api.access.keyring import KEY_BYTES, Keyring, read_keys
from oracle_api.secret_file import write_secret_file

VARIABLE: Final = "BILLCOIN_WALLET_KEYS_FILE"
LOOKUP: Final = "lookup"
"""The name of the key for look-ups in the file; all others encrypt."""


class WalletVault:
    """Seals addresses with the first key, opens them with any; a key of its own finds them.

    The hash has a key because there are few addresses on a chain, and all of them are public:
    whoever had the table could hash every one and compare.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        others = {name: key for name, key in keys.items() if name != LOOKUP}
        if LOOKUP not in keys or not others:
            message = f"{VARIABLE} must hold a key named {LOOKUP} and one or more to encrypt with"
            raise RejectedError("setting_wrong", message)
        self._lookup = keys[LOOKUP]
        self._keyring = Keyring(others)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The vault of a file of keys.

        Raises:
            RejectedError: `setting_wrong`.
        """
        return cls(read_keys(path, VARIABLE))

    @property
    def key_id(self) -> str:
        """The name of the key that encrypts."""
        return self._keyring.active

    def digest(self, address: bytes) -> bytes:
        """HMAC-SHA256 of an address, 32 bytes; the same for the same address, always."""
        return hmac.new(self._lookup, address, hashlib.sha256).digest()

    def seal(self, plain: bytes, *, account_id: str) -> bytes:
        """Encrypt; in the row of another account it will not open."""
        return self._keyring.seal(plain, context=account_id)

    def open(self, sealed: bytes, *, account_id: str) -> bytes:
        """Decrypt.

        Raises:
            CorruptError: the key is gone, or the row was altered or moved.
        """
        return self._keyring.open(sealed, context=account_id)


def add_wallet_key(path: Path) -> str:
    """Put a new key in front of those that encrypt, or begin the file; returns its name.

    Raises:
        RejectedError: `setting_wrong` or `file_unwritable`.
    """
    older = read_keys(path, VARIABLE) if path.exists() else {LOOKUP: secrets.token_bytes(KEY_BYTES)}
    name = f"k{len(older)}-{secrets.token_hex(4)}"
    keys = {name: secrets.token_bytes(KEY_BYTES), **older}
    lines = [f"{name} {base64.b64encode(key).decode()}\n" for name, key in keys.items()]
    write_secret_file(path, "".join(lines).encode())
    return name
