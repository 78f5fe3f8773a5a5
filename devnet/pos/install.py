"""Installs both clients when they are first asked for, out of locks that pin every package."""

import os
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from devnet.pos.node_js import NodeJs, find_node_js
from ledger.errors import TransientError

FOLDER = Path(__file__).parent
EXECUTION = FOLDER / "execution"
CONSENSUS = FOLDER / "consensus"

_STAMP = ".ready"
_TIMEOUT_SECONDS = 900.0
_WORDS = {EXECUTION: "execution client, 111 MB", CONSENSUS: "consensus client, 275 MB"}


def install_clients(say: Callable[[str], None]) -> NodeJs:
    """Install what is not installed as its lock says; returns the Node.js that runs it.

    No install script is run: the packages that have native code bring it along.

    Raises:
        RejectedError: `node_js_missing`.
        TransientError: npm failed; the end of what it wrote is in the message.
    """
    node_js = find_node_js()
    for folder, words in _WORDS.items():
        if not is_installed(folder):
            say(f"installing the {words}: once, about half a minute")
            _install(folder, node_js)
    return node_js


def is_installed(folder: Path) -> bool:
    """Whether a client is there as its lock says now."""
    stamp = folder / "node_modules" / _STAMP
    return stamp.is_file() and stamp.read_text() == _lock_digest(folder)


def _lock_digest(folder: Path) -> str:
    return sha256((folder / "package-lock.json").read_bytes()).hexdigest()


def _install(folder: Path, node_js: NodeJs) -> None:
    # npm starts other programs by name, which must find the same Node.js.
    search = os.pathsep.join([str(node_js.program.parent), os.environ.get("PATH", os.defpath)])
    command = [*node_js.npm, "--prefix", str(folder), "ci", "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command,
            cwd=folder,
            env=os.environ | {"PATH": search},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TransientError(f"npm could not install {folder.name}: {error}") from error
    if done.returncode != 0:
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        raise TransientError(f"npm could not install {folder.name}:\n{done.stdout[-2000:]}")
    (folder / "node_modules" / _STAMP).write_text(_lock_digest(folder))
