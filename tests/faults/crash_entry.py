"""The indexer as a process of its own, in a fork of a server that has imported it already."""

import os
import sys
import threading
from collections.abc import Mapping
from multiprocessing import forkserver, get_context, parent_process
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any
from unittest import mock

from crash_point import CrashPoint, Trap, set_trap


def fork_server() -> ForkServerContext:
    """What starts indexers in milliseconds: a real process each, without a second of imports.

    Coverage stays out of them: it would double their time, and who is killed reports nothing.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["crash_entry", "indexer.__main__"])
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            del os.environ[name]
        forkserver.ensure_running()
    return context


def start_indexer(
    environment: Mapping[str, str],
    folder: Path,
    point: CrashPoint | None = None,
    *,
    is_lockless: bool = False,
) -> ForkServerProcess:
    """Start `billcoin-indexer run`; its log and its trace of statements lie in `folder`.

    A lockless one believes that it leads, whoever holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    process = fork_server().Process(
        target=run, args=(dict(environment), str(folder), point, is_lockless), daemon=True
    )
    process.start()
    return process


def run(
    environment: dict[str, str],
    folder: str,
    point: CrashPoint | None,
    is_lockless: bool,  # noqa: FBT001 - the process's arguments
) -> None:
    """Be the indexer, and perhaps die at the crash point."""
    threading.Thread(target=_die_with_owner, daemon=True).start()
    log = os.open(Path(folder) / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(environment)
    set_trap(Trap(point, Path(folder) / "trace"))
    from indexer import __main__, lead  # noqa: PLC0415 - the fork server has them

    if is_lockless:
        lead.try_lead = _always
    sys.argv = ["billcoin-indexer", "run"]
    __main__.app()


async def _always(_connection: Any, _chain_id: int) -> bool:
    return True


def _die_with_owner() -> None:
    """Whichever way the test ends, its indexers end with it."""
    owner = parent_process()
    if owner is not None:
        owner.join()
        os._exit(1)
