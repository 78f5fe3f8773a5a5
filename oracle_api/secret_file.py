"""Small files of secrets: private to their owner, read and written as a whole."""

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from ledger.errors import RejectedError

MAX_FILE_BYTES: Final = 64 * 1024

_NOT_FOR_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP
_FOR_THE_OWNER_ALONE: Final = stat.S_IRWXO | stat.S_IRWXG


def read_secret_file(path: Path, variable: str, *, group_may_read: bool = True) -> bytes:
    """A small file of secrets that others may not read.

    A group may where an orchestrator mounts secrets for one; not where the file moves money.

    Raises:
        RejectedError: `setting_wrong`, with the name of the variable and never the content.
    """
    refused = _NOT_FOR_OTHERS if group_may_read else _FOR_THE_OWNER_ALONE
    try:
        with path.open("rb") as file:
            # Of the opened file, not of the path, which somebody could exchange in between.
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise _wrong(variable, "is not a file")
            if mode & refused:
                raise _wrong(variable, f"may be read by others: chmod 600 {path}")
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _wrong(variable, f"cannot be read: {path}: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise _wrong(variable, "is too large for what it should hold")
    return content


def write_secret_file(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        RejectedError: `file_unwritable`, also when it would be too large to be read.
    """
    if len(content) > MAX_FILE_BYTES:
        raise RejectedError("file_unwritable", f"{path}: more than {MAX_FILE_BYTES} bytes")
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise RejectedError("file_unwritable", f"{path}: {error.strerror}") from None
    finally:
        # Whatever went wrong, an interrupt too: no secrets are left under another name.
        with contextlib.suppress(OSError):
            fresh.unlink()


def _wrong(variable: str, complaint: str) -> RejectedError:
    return RejectedError("setting_wrong", f"{variable} {complaint}")
