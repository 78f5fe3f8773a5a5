"""A chain in one fast process: anvil, started on a loopback port and stopped for certain."""

import asyncio
import os
import platform
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

from devnet.ports import LOOPBACK
from devnet.process import Ending, LeashedProcess
from ledger.errors import RejectedError, TransientError

DEFAULT_CHAIN_ID = 31337
DEFAULT_HARDFORK = "prague"
# The mnemonic that every Ethereum tool knows: worth nothing anywhere, and known to be so.
DEFAULT_MNEMONIC = "test test test test test test test test test test test junk"

_PACKAGES = Path(__file__).with_name("node_modules") / "@foundry-rs"
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}
_MACHINES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_LISTENING = re.compile(r"^Listening on [^ ]+:(\d+)$", re.MULTILINE)
_POLL_SECONDS = 0.005
_START_TIMEOUT_SECONDS = 30.0
_SAVE_SECONDS = 30.0


@dataclass(frozen=True)
class Chain:
    """A running chain and where to reach it."""

    http_url: str
    ws_url: str
    chain_id: int
    process: LeashedProcess


def anvil_binary() -> Path:
    """The native anvil: `BILLCOIN_ANVIL`, else the one that `make setup` installed.

    It is run without the package's Node.js wrapper, which costs a start of Node.js each time and
    swallows signals.

    Raises:
        RejectedError: `anvil_missing` when there is none.
    """
    named = os.environ.get("BILLCOIN_ANVIL")
    if named:
        found = shutil.which(named)
        if found is None:
            raise RejectedError("anvil_missing", f"BILLCOIN_ANVIL={named} is no executable file")
        return Path(found)
    system = _SYSTEMS.get(platform.system(), platform.system().lower())
    machine = _MACHINES.get(platform.machine(), platform.machine())
    name = "anvil.exe" if system == "win32" else "anvil"
    binary = _PACKAGES / f"anvil-{system}-{machine}" / "bin" / name
    if not binary.is_file():
        raise RejectedError(
            "anvil_missing",
            f"there is no anvil for {system}-{machine}: run `make setup`, "
            "or set BILLCOIN_ANVIL to an anvil that you have",
        )
    return binary


async def _announced_port(process: LeashedProcess) -> int:
    """Wait for the line in which anvil says where it listens, which it prints once it does."""
    deadline = asyncio.get_running_loop().time() + _START_TIMEOUT_SECONDS
    while True:
        match = _LISTENING.search(process.output())
        if match is not None:
            return int(match.group(1))
        process.require_running()
        if asyncio.get_running_loop().time() > deadline:
            raise TransientError(f"anvil did not listen in time; see {process.log_path}")
        await asyncio.sleep(_POLL_SECONDS)


class AnvilOptions(TypedDict, total=False):
    """How a chain shall run; what is left out has the default named here."""

    block_time_seconds: float | None
    """A block each so many seconds; None (the default) makes one for each transaction."""
    mining: bool
    """False makes blocks only when asked to (`evm_mine`, `anvil_mine`)."""
    slots_in_an_epoch: int
    """`safe` is one epoch behind the head and `finalized` two; 32."""
    hardfork: str
    """The protocol rules, and with them the header's fields; `DEFAULT_HARDFORK`."""
    chain_id: int
    """What transactions are signed for; `DEFAULT_CHAIN_ID`."""
    port: int
    """0 (the default) lets the system choose."""
    accounts: int
    """How many accounts of the mnemonic are rich; 10."""
    mnemonic: str
    """Where the accounts come from; `DEFAULT_MNEMONIC`."""
    state_path: Path | None
    """A file to take the state from, if it exists, and to leave it in at the end."""
    log_path: Path | None
    """Where anvil's output goes; by default a file that goes away with the chain."""
    arguments: Sequence[str]
    """Any other arguments of anvil's, as they are."""


def _command(binary: Path, states: Path, options: AnvilOptions) -> list[str]:
    command = [str(binary), "--host", LOOPBACK, "--port", str(options.get("port", 0))]
    command += ["--no-cors", "--color", "never"]
    command += ["--chain-id", str(options.get("chain_id", DEFAULT_CHAIN_ID))]
    command += ["--hardfork", options.get("hardfork", DEFAULT_HARDFORK)]
    command += ["--slots-in-an-epoch", str(options.get("slots_in_an_epoch", 32))]
    command += ["--accounts", str(options.get("accounts", 10))]
    command += ["--mnemonic", options.get("mnemonic", DEFAULT_MNEMONIC)]
    # Old states that anvil moves to disk would otherwise stay in the home folder after a kill.
    command += ["--cache-path", str(states)]
    block_time_seconds = options.get("block_time_seconds")
    if block_time_seconds is not None:
        command += ["--block-time", f"{block_time_seconds:g}"]
    if not options.get("mining", True):
        command += ["--no-mining"]
    state_path = options.get("state_path")
    if state_path is not None:
        command += ["--state", str(state_path)]
    return [*command, *options.get("arguments", ())]


@asynccontextmanager
async def anvil(**options: Unpack[AnvilOptions]) -> AsyncIterator[Chain]:
    """Run a chain for the length of the block; `AnvilOptions` says what can be chosen."""
    binary = anvil_binary()
    scratch = Path(tempfile.mkdtemp(prefix="billcoin-anvil-"))
    process = LeashedProcess(
        "anvil",
        _command(binary, scratch / "states", options),
        log_path=options.get("log_path") or scratch / "anvil.log",
        # With a state file it writes the whole chain at the end, which may take a while.
        ending=Ending(grace_seconds=_SAVE_SECONDS, remove=(scratch,)),
    )
    try:
        port = await _announced_port(process)
        chain_id = options.get("chain_id", DEFAULT_CHAIN_ID)
        yield Chain(f"http://{LOOPBACK}:{port}", f"ws://{LOOPBACK}:{port}", chain_id, process)
    finally:
        await asyncio.to_thread(process.stop)
