"""The folder of one demo run: its logs, wallets and manifest, apart from every other run's."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devnet.home import make_private


@contextmanager
def run_folder(home: Path) -> Iterator[Path]:
    """A new folder, deleted at the end; after an error it stays, for its logs tell why."""
    folder = make_private(home / "runs" / f"{os.getpid()}-{secrets.token_hex(4)}")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
