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
