"""Starts the keeper and waits until all is up; stops it, and only it."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devnet.background.keeper import UpOptions
from devnet.background.record import Folders, Phase, Record, read_record
from devnet.home import HOME_VARIABLE
from ledger.errors import RejectedError, TransientError

KEEPER_LOG = "devnet.log"

_START_TIMEOUT_SECONDS = 1200.0
_STOP_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.1


def start(folders: Folders, options: UpOptions, *, tell: Callable[[str], None]) -> Record:
    """Start a devnet in the background; each line of its progress is told as it comes.

    Raises:
        RejectedError: `devnet_running`.
        TransientError: It did not come up; the message is its own.
    """
    folders.make(options.profile)
    with _alone(folders):
        running = read_record(folders)
        if running is not None and running.is_up:
            raise RejectedError(
                "devnet_running",
                f"a devnet of profile {running.profile} is up already: `billcoin-devnet down`",
            )
        folders.record.unlink(missing_ok=True)
        for old in (*folders.logs.glob("*.log"), *folders.logs.glob("*.pid")):
            old.unlink()
        log = folders.logs / KEEPER_LOG
        with log.open("wb") as output:
            keeper = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                # -P: a folder called `devnet` where the command is given is not this package.
                [sys.executable, "-P", "-m", "devnet.background.keeper", options.to_text()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {HOME_VARIABLE: str(folders.home), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        return _until_ready(folders, keeper, log, tell)


def _until_ready(
    folders: Folders, keeper: "subprocess.Popen[bytes]", log: Path, tell: Callable[[str], None]
) -> Record:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    with log.open() as lines:
        while True:
            ended = keeper.poll() is not None
            record = read_record(folders)
            for line in lines:
                tell(line.rstrip("\n"))
            if record is not None and record.phase is Phase.READY:
                return record
            if ended or time.monotonic() > deadline:
                if not ended:
                    keeper.terminate()
                problem = "" if record is None else record.problem
                raise TransientError(problem or f"the devnet did not come up; see {log}")
            time.sleep(_POLL_SECONDS)


def stop(folders: Folders) -> bool:
    """Stop the devnet and wait until everything of it is gone; whether there was one.

    Raises:
        TransientError: It is still there after two minutes.
    """
    record = read_record(folders)
    if record is None or not record.keeper.is_alive():
        return False
    os.kill(record.keeper.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    while record.keeper.is_alive():
        if time.monotonic() > deadline:
            raise TransientError(f"process {record.keeper.pid} does not end; see {folders.logs}")
        time.sleep(_POLL_SECONDS)
    return True


@contextmanager
def _alone(folders: Folders) -> Iterator[None]:
    """Keep two `up` at the same moment from starting two devnets in one folder."""
    with (folders.all / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RejectedError(
                "devnet_starting", "another `billcoin-devnet up` is at work here"
            ) from error
        yield
