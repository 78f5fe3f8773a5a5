"""Whether a process is still the one that was noted: ids are given out again, start times not."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_START_FIELD = 19
_PS_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Identity:
    """A process: its id, and its start in the system's own words."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        """Whether this very process runs: one with the same id that started later is another."""
        return start_of(self.pid) == self.started

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        return {"pid": self.pid, "started": self.started}


def identify(pid: int) -> Identity | None:
    """The process as it is now, or None when there is none."""
    started = start_of(pid)
    return None if started is None else Identity(pid, started)


def start_of(pid: int) -> str | None:
    """When the process started, or None when there is none or it is only waiting to be reaped."""
    if Path("/proc/self/stat").exists():
        try:
            # The command's name is in parentheses and may hold anything, parentheses too.
            told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if told[0] in "ZX" else told[_START_FIELD]
    try:
        os.kill(pid, 0)
        told_by_ps = subprocess.run(  # noqa: S603 - our own arguments
            ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - where ps is differs
            capture_output=True,
            text=True,
            timeout=_PS_TIMEOUT_SECONDS,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return told_by_ps or None
