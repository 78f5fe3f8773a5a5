"""The file of signing keys: private to its owner, replaced as a whole, revoked keys erased."""

import json
from pathlib import Path
from typing import Any, Final

from ledger.errors import RejectedError
from oracle_api.secret_file import read_secret_file, write_secret_file

FORMAT: Final = "billcoin-attestation-keys/1"

Entry = dict[str, Any]
"""A key: `address`, `createdAt`, and `privateKey`, `keystore` or `revokedAt`."""


def read_key_file(path: Path) -> list[Entry]:
    """The keys in their order: the first that is not revoked signs.

    Raises:
        RejectedError: `setting_wrong` when it is missing, not private, or not of our format.
    """
    text = read_secret_file(path, str(path), group_may_read=False)
    entries = _entries(text)
    if entries is None:
        raise RejectedError("setting_wrong", f"{path} is no file of {FORMAT}")
    return entries


def write_key_file(path: Path, entries: list[Entry]) -> None:
    """Put the keys in the file's place, whole or not at all, readable by its owner alone.

    Raises:
        RejectedError: `file_unwritable` when the folder cannot be written.
    """
    text = json.dumps({"format": FORMAT, "keys": entries}, indent=2) + "\n"
    write_secret_file(path, text.encode())


def _entries(text: bytes) -> list[Entry] | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return None
    entries = document.get("keys")
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        return None
    return entries
