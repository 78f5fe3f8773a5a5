"""The services as child processes: found, started with their environment, watched."""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from devnet.process import LeashedProcess
from ledger.errors import RejectedError

_POLL_SECONDS = 0.05
_NEUTRAL = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
_USERS_ONLY = ("BILLCOIN_WALLET_PASSWORD", "BILLCOIN_API_KEY")


def console_script(name: str) -> str:
    """The service's command, installed beside our own interpreter or on PATH.

    Raises:
        RejectedError: `service_missing`.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise RejectedError("service_missing", f"{name} is not installed: run `make setup`")
    return found


def service_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """A service's whole environment.

    Everything named `BILLCOIN_...` goes through, so that any setting can be tried with a demo,
    but for a wallet's password and a caller's API key, which are no service's business; nothing
    else of the caller's does, so that two machines behave alike.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _NEUTRAL or (name.startswith("BILLCOIN_") and name not in _USERS_ONLY)
    }
    return {**inherited, "PYTHONUNBUFFERED": "1", **variables}


def start_service(
    name: str, arguments: Sequence[str], *, logs: Path, variables: Mapping[str, str]
) -> LeashedProcess:
    """Start a service; its output goes to a file named after it and its subcommand."""
    return LeashedProcess(
        f"{name} {arguments[0]}",
        [console_script(name), *arguments],
        log_path=logs / f"{name}-{arguments[0]}.log",
        environment=service_environment(variables),
    )


async def run_to_end(process: LeashedProcess) -> None:
    """Wait for a process that ends by itself.

    Raises:
        ProcessDiedError: It ended with another status than 0.
    """
    try:
        while process.exit_status is None:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(_POLL_SECONDS)
        if process.exit_status != 0:
            process.require_running()
    finally:
        await asyncio.to_thread(process.stop)


async def watch(processes: Sequence[LeashedProcess]) -> None:
    """Look after processes that must not end; returns never, or by raising.

    Raises:
        ProcessDiedError: One ended.
    """
    while True:
        for process in processes:
            process.require_running()
        await asyncio.sleep(_POLL_SECONDS)
