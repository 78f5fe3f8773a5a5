"""Encrypts what must be read again: AES-256-GCM with keys from a file, which can be rotated."""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import CorruptError, RejectedError
from oracle_api.secret_file import read_secret_file

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

_VERSION: Final = b"\x01"
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Keyring:
    """Named keys; the first one encrypts, every one decrypts.

    What is encrypted says which key it needs, and is bound to a context, such as the row that it
    stands in: moved elsewhere, it does not decrypt (AES-GCM's associated data).
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self.active = next(iter(keys))
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}

    @classmethod
    def from_file(cls, path: Path, variable: str) -> Self:
        """The keys of a file that the setting of this name points at.

        Raises:
            RejectedError: `setting_wrong`; the message names file and line, never a key.
        """
        return cls(read_keys(path, variable))

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Encrypt with the first key."""
        name = self.active.encode()
        nonce = secrets.token_bytes(NONCE_BYTES)
        head = _VERSION + len(name).to_bytes(1, "big") + name
        return head + nonce + self._ciphers[self.active].encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt what `seal` gave for the same context.

        Raises:
            CorruptError: its key is not in the file, or it was altered or moved.
        """
        name, rest = _split(sealed)
        if name not in self._ciphers:
            raise CorruptError(f"the key {name!r} is needed and not in the file of keys")
        nonce, body = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
        try:
            return self._ciphers[name].decrypt(nonce, body, context.encode())
        except (InvalidTag, ValueError):
            raise CorruptError(f"what the key {name!r} has encrypted was altered") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether this was encrypted with the first key."""
        return _split(sealed)[0] == self.active


def read_keys(path: Path, variable: str) -> dict[str, bytes]:
    """Read keys, one a line: a name, a blank, 32 bytes in base64. `#` begins a comment.

    Raises:
        RejectedError: `setting_wrong`; the message names file and line, never a key.
    """
    try:
        text = read_secret_file(path, variable).decode()
    except UnicodeDecodeError:
        raise RejectedError("setting_wrong", f"{variable} is no text: {path}") from None
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            name, key = _read_line(line, f"{path}, line {number}")
            if name in keys:
                raise RejectedError("setting_wrong", f"{path} names the key {name} twice")
            keys[name] = key
    if not keys:
        raise RejectedError("setting_wrong", f"{path} has no key")
    return keys


def _split(sealed: bytes) -> tuple[str, bytes]:
    """The name of the key, and nonce and ciphertext."""
    if sealed[:1] != _VERSION or len(sealed) < 2:  # noqa: PLR2004 - version and length
        raise CorruptError("this was not encrypted by us")
    end = 2 + sealed[1]
    return sealed[2:end].decode(errors="replace"), sealed[end:]


def _read_line(line: str, place: str) -> tuple[str, bytes]:
    name, _, encoded = line.strip().partition(" ")
    if _KEY_ID.fullmatch(name) is None:
        raise RejectedError("setting_wrong", f"{place}: a key's name is 1 to 64 letters and digits")
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise RejectedError("setting_wrong", f"{place}: a key is {KEY_BYTES} bytes in base64")
    return name, key
