"""A child process on a leash: it never outlives the process that started it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LedgerError

_LEASH = Path(__file__).with_name("leash.py")
_TAIL_BYTES = 16_384
# Beyond the child's own grace: what the leash needs to kill, reap and delete folders.
_LEASH_MARGIN_SECONDS = 5.0


class ProcessDiedError(LedgerError):
    """A child ended although nobody asked it to; the message holds its last log lines."""


@dataclass(frozen=True)
class Ending:
    """How a child is stopped, and which folders go with it."""

    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 5.0
    remove: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Account:
    """The system account that a child runs as, where it must not be ours."""

    uid: int
    gid: int


class LeashedProcess:
    """One command with its log file; started by the constructor, ended by `stop`.

    The leash (see `devnet.leash`) is what we hold: its exit status is the command's, and closing
    its standard input, on purpose or by dying, is what stops the command.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
        account: Account | None = None,
        ending: Ending | None = None,
        pid_path: Path | None = None,
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._ending = ending or Ending()
        with log_path.open("wb") as log:
            self._leash = subprocess.Popen(  # noqa: S603 - no shell; the caller names the command
                [*self._leash_command(account, pid_path), "--", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=None if environment is None else dict(environment),
                cwd=working_directory,
                # Ctrl-C in a terminal reaches the owner only, who stops things in order.
                start_new_session=True,
            )
        # Held open: the leash may delete a log in a temporary folder before we look.
        self._log = log_path.open("rb")

    def _leash_command(self, account: Account | None, pid_path: Path | None) -> list[str]:
        ending = self._ending
        command = [sys.executable, "-I", "-S", str(_LEASH)]
        command += ["--stop-signal", str(int(ending.stop_signal))]
        command += ["--grace-seconds", str(ending.grace_seconds)]
        if account is not None:
            command += ["--user", str(account.uid), "--group", str(account.gid)]
        if pid_path is not None:
            command += ["--pid-file", str(pid_path)]
        for folder in ending.remove:
            command += ["--remove", str(folder)]
        return command

    @property
    def pid(self) -> int:
        """The leash's process id; a signal to it stops the command."""
        return self._leash.pid

    @property
    def exit_status(self) -> int | None:
        """The command's exit status, or None while it runs."""
        return self._leash.poll()

    def output(self) -> str:
        """What the command has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def last_lines(self, count: int = 20) -> list[str]:
        """The end of the log, for the person who must find out why it died."""
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return self._log.read().decode(errors="replace").splitlines()[-count:]

    def require_running(self) -> None:
        """Raise `ProcessDiedError` with the last log lines unless the command still runs."""
        status = self.exit_status
        if status is not None:
            tail = "\n".join(f"  {line}" for line in self.last_lines())
            raise ProcessDiedError(
                f"{self.name} ended with status {status}; the end of {self.log_path}:\n{tail}"
            )

    def stop(self) -> None:
        """End the command and wait until it is gone; calling it again does nothing."""
        if self._leash.stdin is not None and not self._leash.stdin.closed:
            self._leash.stdin.close()
        try:
            self._leash.wait(self._ending.grace_seconds + _LEASH_MARGIN_SECONDS)
        except subprocess.TimeoutExpired:
            # Linux then signals the command too; elsewhere the leash has killed it by now.
            self._leash.kill()
            self._leash.wait()
        self._log.close()
