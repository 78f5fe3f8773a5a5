"""Run one command for as long as its owner lives: the end of standard input is the owner's death.

It is started as a script with nothing but the standard library, so that it comes up in a few
milliseconds. A pipe closes whichever way the owner ends, `kill -9` included, and on every
platform; a parent-death signal alone would be Linux only and would fire with the owner's thread.
"""

import argparse
import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_OWNER_FD = 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stop-signal", type=int, default=int(signal.SIGTERM))
    parser.add_argument("--grace-seconds", type=float, default=5.0)
    parser.add_argument("--user", type=int)
    parser.add_argument("--group", type=int)
    parser.add_argument(
        "--remove", action="append", default=[], help="a folder to delete at the end"
    )
    parser.add_argument("--pid-file", help="where the command's process id is written")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _die_with_leash(stop_signal: int, leash_pid: int) -> Callable[[], None] | None:
    """What the child runs before the command: should even the leash be killed, Linux tells it."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def arm() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != leash_pid:
            os._exit(1)

    return arm


def _wait_for_owner_or_child(child: "subprocess.Popen[bytes]", wakeup_fd: int) -> None:
    """Return when the owner let go (end of input, or a signal to us) or the child ended."""
    while child.poll() is None:
        readable, _, _ = select.select([_OWNER_FD, wakeup_fd], [], [])
        if _OWNER_FD in readable and not os.read(_OWNER_FD, 1):
            return
        if wakeup_fd in readable and set(os.read(wakeup_fd, 64)) - {signal.SIGCHLD}:
            return


def _end(child: "subprocess.Popen[bytes]", stop_signal: int, grace_seconds: float) -> None:
    """Stop the child, then make sure that nothing of its process group is left."""
    if child.poll() is None:
        child.send_signal(stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def main() -> int:
    """Run the command; answer its exit status as a shell would."""
    options = _options()
    wakeup_fd, signal_fd = os.pipe()
    os.set_blocking(signal_fd, False)
    signal.set_wakeup_fd(signal_fd, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    child = subprocess.Popen(  # noqa: S603 - to run what the owner names is the purpose
        options.command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        user=options.user,
        group=options.group,
        extra_groups=None if options.user is None else [],
        preexec_fn=_die_with_leash(options.stop_signal, os.getpid()),  # noqa: PLW1509 - no threads
    )
    if options.pid_file:
        Path(options.pid_file).write_text(str(child.pid))
    try:
        _wait_for_owner_or_child(child, wakeup_fd)
    finally:
        _end(child, options.stop_signal, options.grace_seconds)
        for folder in options.remove:
            shutil.rmtree(folder, ignore_errors=True)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main())
