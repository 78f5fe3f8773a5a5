"""`billcoin-oracle` as a process of its own that kills itself at a chosen step of the relay."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

# Each step: where it is, and whether the process dies before or after it.
SERVE_STEPS = {
    "nothing written": ("oracle_api.relay.broadcast:Broadcaster.sign", "before"),
    "signed, not committed": ("oracle_api.relay.service:insert_transaction", "after"),
    "written, not sent": ("oracle_api.relay.broadcast:Broadcaster.send", "before"),
    "sent, not noted": ("oracle_api.relay.node:RelayNode.send", "after"),
    "noted, not committed": ("oracle_api.relay.broadcast:mark_broadcast", "after"),
    "noted, not answered": ("oracle_api.relay.broadcast:Broadcaster.send", "after"),
}
JOBS_STEPS = {
    "not sent again": ("oracle_api.relay.broadcast:Broadcaster.send", "before"),
    "sent again, not noted": ("oracle_api.relay.node:RelayNode.send", "after"),
    "seen, not committed": ("oracle_api.relay.watch:mark_seen", "after"),
}
REPLACE_STEPS = {
    "replacement not committed": ("oracle_api.relay.nonces:mark_resigned", "after"),
    "replacement not sent": ("oracle_api.relay.broadcast:Broadcaster.send", "before"),
    "replacement sent, not noted": ("oracle_api.relay.node:RelayNode.send", "after"),
}


def start_oracle(
    command: str, environment: Mapping[str, str], log: Path, step: tuple[str, str] | None
) -> ForkServerProcess:
    """Start `billcoin-oracle COMMAND`, which will die at `step`."""
    context = get_context("forkserver")
    context.set_forkserver_preload(
        ["relay_process", "oracle_api.__main__", "oracle_api.server", "oracle_api.jobs"]
    )
    process = context.Process(
        target=_run, args=(command, dict(environment), str(log), step), daemon=True
    )
    process.start()
    return process


def _run(command: str, environment: dict[str, str], log: str, step: tuple[str, str] | None) -> None:
    threading.Thread(target=_die_with_owner, daemon=True).start()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    for name in [name for name in os.environ if name.startswith("BILLCOIN_")]:
        del os.environ[name]
    os.environ.update(environment)
    if step is not None:
        _set_trap(*step)
    sys.argv = ["billcoin-oracle", command]
    import_module("oracle_api.__main__").app()


def _set_trap(where: str, moment: str) -> None:
    module, _, path = where.partition(":")
    owner: Any = import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = getattr(owner, name)

    async def trapped(*arguments: Any, **options: Any) -> Any:
        if moment == "after":
            with contextlib.suppress(Exception):
                await original(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, trapped)


def _die_with_owner() -> None:
    """Whichever way the test ends, its processes end with it."""
    owner = parent_process()
    if owner is not None:
        owner.join()
        os._exit(1)
