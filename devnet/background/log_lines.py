"""The ends of log files, and what is added to them."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

_POLL_SECONDS = 0.2


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a file."""
    with path.open(errors="replace") as file:
        return [line.rstrip("\n") for line in deque(file, maxlen=count)]


def follow(paths: Sequence[Path], *, tell: Callable[[str], None], named: bool) -> None:
    """Tell each line that is added, until interrupted; `named` puts the file's name before it."""
    with ExitStack() as opened:
        files = {path: opened.enter_context(path.open(errors="replace")) for path in paths}
        for file in files.values():
            file.seek(0, 2)
        try:
            while True:
                for path, file in files.items():
                    for line in file:
                        text = line.rstrip("\n")
                        tell(f"{path.stem}: {text}" if named else text)
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            return
