"""The file of signing keys: private to its owner, replaced as a whole, revoked keys erased."""

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any, Final

from ledger.errors import RejectedError

FORMAT: Final = "billcoin-attestation-keys/1"
MAX_FILE_BYTES: Final = 256 * 1024

Entry = dict[str, Any]
"""A key: `address`, `createdAt`, and `privateKey`, `keystore` or `revokedAt`."""


def read_key_file(path: Path) -> list[Entry]:
    """The keys in their order: the first that is not revoked signs.

    Raises:
        RejectedError: `setting_wrong` when it is missing, not private, or not of our format.
    """
    try:
        # What is checked is what is read: a path may point elsewhere a moment later.
        with path.open("rb") as file:
            _require_private(path, os.fstat(file.fileno()))
            text = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise RejectedError("setting_wrong", f"{path}: {error.strerror}") from None
    entries = _entries(text)
    if entries is None:
        raise RejectedError("setting_wrong", f"{path} is no file of {FORMAT}")
    return entries


def write_key_file(path: Path, entries: list[Entry]) -> None:
    """Put the keys in the file's place, whole or not at all, readable by its owner alone.

    Raises:
        RejectedError: `setting_wrong` when the folder cannot be written.
    """
    text = json.dumps({"format": FORMAT, "keys": entries}, indent=2) + "\n"
    try:
        # mkstemp makes it 0600 from the first moment.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as error:
        raise RejectedError("setting_wrong", f"{path}: {error.strerror}") from None


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


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise RejectedError("setting_wrong", f"{path} is no regular file")
    if status.st_mode & 0o077:
        raise RejectedError(
            "setting_wrong", f"{path} can be read by others: chmod 600, and consider the keys known"
        )
