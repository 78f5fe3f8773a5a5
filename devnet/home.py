"""Where this tool keeps its files: `.billcoin/` in the working folder, or `BILLCOIN_HOME`."""

import os
from pathlib import Path

HOME_VARIABLE = "BILLCOIN_HOME"


def state_home() -> Path:
    """The folder of wallets, manifest and runs; it may not exist yet."""
    return Path(os.environ.get(HOME_VARIABLE) or ".billcoin").resolve()


def make_private(folder: Path) -> Path:
    """Make a folder that only its owner can enter, with its parents."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(path: Path, text: str, *, is_new: bool = False) -> None:
    """Write a file that only its owner can read; with `is_new` it must not be there yet."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if is_new else os.O_TRUNC)
    with os.fdopen(os.open(path, flags, mode=0o600), "w", encoding="utf-8") as file:
        file.write(text)
