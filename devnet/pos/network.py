"""Runs one or two pairs of clients as one chain, from an empty folder or from where it stopped."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from devnet.dev_accounts import TREASURY_INDEX, dev_account
from devnet.node import open_node
from devnet.ports import LOOPBACK
from devnet.pos.beacon import open_beacon
from devnet.pos.clients import Clients, Ports, free_ports
from devnet.pos.genesis import VALIDATORS, Rules, write_genesis
from devnet.pos.install import install_clients
from devnet.process import LeashedProcess
from devnet.running_chain import ChainNode, ChainOpener, RunningChain, Say
from ledger.errors import RejectedError, TransientError
from ledger.json_hex import read_quantity

MAX_NODES = 2
# The first group has more than half of the votes, so that its side wins a partition, and less
# than two thirds, so that finality stops without the second.
FIRST_GROUP = 5
GROUPS = (range(FIRST_GROUP), range(FIRST_GROUP, VALIDATORS))

_START_TIMEOUT_SECONDS = 90.0
_POLL_SECONDS = 0.1
# What a consensus client takes to come up; slots before that would only be missed.
_GENESIS_DELAY_SECONDS = 8


@dataclass(frozen=True)
class PosOptions:
    """How many nodes, at which pace, on which port the first one's RPC."""

    nodes: int = 1
    rules: Rules = field(default_factory=Rules)
    rpc_port: int | None = None


def proof_of_stake_chain(data: Path, options: PosOptions) -> ChainOpener:
    """A chain of real clients, whose execution data stays in `data`.

    Raises (on opening):
        RejectedError: `nodes_invalid`, `node_js_missing`.
        TransientError: A client did not come up in time, or could not be installed.
    """

    @asynccontextmanager
    async def opened(logs: Path, say: Say) -> AsyncIterator[RunningChain]:
        if not 1 <= options.nodes <= MAX_NODES:
            raise RejectedError(
                "nodes_invalid", f"a proof-of-stake devnet has 1 to {MAX_NODES} nodes"
            )
        node_js = await asyncio.to_thread(install_clients, say)
        _prepare(data, options.nodes)
        clients = Clients(
            node_js,
            write_genesis(data, options.rules),
            options.rules,
            data,
            logs,
            dev_account(TREASURY_INDEX).address,
        )
        async with AsyncExitStack() as exits:
            yield await _Network(clients, options, exits, say).start()

    return opened


def _prepare(data: Path, nodes: int) -> None:
    """Make the folder ready: the execution clients keep their chain, the others begin anew.

    A consensus client that restarts on its own database is slashed for what it signed before; a
    new one begins at the execution client's head. All nodes have to begin at the same one, so
    whatever the second had of its own is given up.
    """
    for folder in [*data.glob("consensus-*"), *data.glob("validators-*")]:
        shutil.rmtree(folder)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    first = data / "execution-1"
    for number in range(2, MAX_NODES + 1):
        copied = data / f"execution-{number}"
        shutil.rmtree(copied, ignore_errors=True)
        if number <= nodes and first.is_dir():
            shutil.copytree(first, copied)


class _Network:
    """Starts the processes in order; the exit stack ends them in the opposite one."""

    def __init__(
        self, clients: Clients, options: PosOptions, exits: AsyncExitStack, say: Say
    ) -> None:
        self._clients, self._exits, self._say = clients, exits, say
        self._slot_seconds = options.rules.slot_seconds
        self._ports = [
            free_ports(rpc=options.rpc_port if number == 0 else None)
            for number in range(options.nodes)
        ]
        self._processes: list[LeashedProcess] = []

    async def start(self) -> RunningChain:
        for number, ports in enumerate(self._ports, start=1):
            self._keep(self._clients.execution(number, ports))
        anchor = await self._anchor()
        genesis_time = int(time.time()) + _GENESIS_DELAY_SECONDS
        for number, ports in enumerate(self._ports, start=1):
            self._keep(
                self._clients.consensus(number, ports, anchor=anchor, genesis_time=genesis_time)
            )
        for ports in self._ports:
            await self._until_up(partial(_genesis_time, ports))
        await self._connect_peers()
        for number, indexes in enumerate(GROUPS, start=1):
            ports = self._ports[min(number, len(self._ports)) - 1]
            self._keep(self._clients.validators(number, indexes, ports))
        self._say(
            f"proof of stake: {len(self._ports)} execution and consensus "
            f"client{'s' * (len(self._ports) > 1)}, {VALIDATORS} validators"
        )
        await self._until_up(self._first_block)
        self._say("the first block of the validators is there")
        return RunningChain(
            tuple(ChainNode(_http(ports.rpc)) for ports in self._ports),
            float(self._slot_seconds),
            tuple(self._processes),
            {
                f"beacon-{number}": _http(ports.beacon)
                for number, ports in enumerate(self._ports, start=1)
            },
        )

    def _keep(self, process: LeashedProcess) -> None:
        self._processes.append(process)
        self._exits.push_async_callback(asyncio.to_thread, process.stop)

    async def _until_up(self, ask: Callable[[], Awaitable[int | str]]) -> int | str:
        """Ask until there is an answer; a process that ended meanwhile is the error."""
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while True:
            try:
                return await ask()
            except (TransientError, RejectedError) as error:
                for process in self._processes:
                    process.require_running()
                if time.monotonic() > deadline:
                    raise TransientError(f"the chain did not come up in time: {error}") from error
            await asyncio.sleep(_POLL_SECONDS)

    async def _anchor(self) -> str:
        """The hash of the head at which all execution clients stand."""
        hashes = [str(await self._until_up(partial(_head_hash, ports))) for ports in self._ports]
        if len(set(hashes)) != 1:
            raise TransientError(f"the execution clients begin at different blocks: {hashes}")
        return hashes[0]

    async def _connect_peers(self) -> None:
        first, *others = self._ports
        for ports in others:
            async with (
                open_beacon(_http(first.beacon)) as beacon,
                open_beacon(_http(ports.beacon)) as other,
            ):
                await other.connect(await beacon.peer())

    async def _first_block(self) -> int:
        async with open_beacon(_http(self._ports[0].beacon)) as beacon:
            slot = await beacon.head_slot()
        if slot < 1:
            raise TransientError("the validators have made no block yet")
        return slot


def _http(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


async def _genesis_time(ports: Ports) -> int:
    async with open_beacon(_http(ports.beacon)) as beacon:
        return await beacon.genesis_time()


async def _head_hash(ports: Ports) -> str:
    async with open_node(_http(ports.rpc)) as node:
        head = await node.head()
    if head is None:
        raise TransientError("the execution client has no block yet")
    read_quantity(head.get("number"), field="number")
    return str(head["hash"])
