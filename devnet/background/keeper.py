"""The process that holds a devnet: it starts all others, and they end with it."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial

from rich.console import Console

from devnet.background.data import database_home, delete_data
from devnet.background.identity import Identity, identify
from devnet.background.people import addresses, equip
from devnet.background.record import Folders, Phase, Profile, Record, write_record
from devnet.home import state_home
from devnet.manifest import Manifest, read_manifest, write_manifest
from devnet.node_front import fronted_chain
from devnet.pos.network import PosOptions, proof_of_stake_chain
from devnet.process import LeashedProcess
from devnet.progress import Progress
from devnet.running_chain import ChainOpener, simulated_chain
from devnet.services import watch
from devnet.stack import Stack, running_stack
from devnet.starter import StackOptions
from ledger.errors import LedgerError


@dataclass(frozen=True)
class UpOptions:
    """What `up` was asked for; ports that are None are free ones."""

    profile: Profile
    nodes: int = 1
    oracle_port: int | None = None
    node_port: int | None = None
    database_port: int | None = None
    price_age_seconds: int | None = None

    def to_text(self) -> str:
        """As one argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "UpOptions":
        """What `to_text` wrote."""
        values = json.loads(text)
        return cls(**values | {"profile": Profile(values["profile"])})


class _Keeper:
    """One run."""

    def __init__(self, folders: Folders, options: UpOptions, myself: Identity) -> None:
        self.folders, self.options = folders, options
        self.progress = Progress(Console(force_terminal=False, width=200))
        self.record = Record(options.profile, options.nodes, Phase.STARTING, myself)

    def _note(self, record: Record) -> None:
        self.record = record
        write_record(self.folders, record)

    async def run(self) -> None:
        """Bring everything up and hold it until told to stop."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._note(self.record)
        holding = asyncio.create_task(self._hold())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((holding, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not holding.done():
            holding.cancel()
        try:
            await holding
        except asyncio.CancelledError:
            self.progress.step("everything is stopped")
        except LedgerError as error:
            self.progress.note(f"billcoin-devnet: {error}")
            self._note(replace(self.record, phase=Phase.FAILED, problem=str(error)))
            sys.exit(1)

    async def _hold(self) -> None:
        known = self._known()
        options = StackOptions(
            self.options.oracle_port,
            self.options.node_port,
            self.options.database_port,
            open_chain=self._chain(),
            database_home=database_home(self.folders, self.options.profile),
            keys_home=self.folders.data(self.options.profile),
            deployed=known,
            price_age_seconds=self.options.price_age_seconds,
        )
        meanwhile = partial(self._equip, is_needed=known is None)
        async with running_stack(
            self.folders.logs, options, meanwhile=meanwhile, say=self.progress.step
        ) as stack:
            self._publish(stack)
            self._note(self._ready(stack))
            await watch(stack.processes)

    def _known(self) -> Manifest | None:
        """The contracts of an earlier run; what is left of one that never came up is deleted."""
        deployment = self.folders.deployment(self.options.profile)
        if deployment.exists():
            return read_manifest(json.loads(deployment.read_text()))
        delete_data(self.folders, self.options.profile)
        self.folders.make(self.options.profile)
        return None

    def _chain(self) -> ChainOpener:
        data = self.folders.data(self.options.profile)
        if self.options.profile is Profile.POS:
            options = PosOptions(self.options.nodes, rpc_port=self.options.node_port)
            return proof_of_stake_chain(data, options)
        chain = simulated_chain(port=self.options.node_port, state_path=data / "chain.json")
        return fronted_chain(chain, nodes=self.options.nodes)

    async def _equip(self, manifest: Manifest, *, is_needed: bool) -> None:
        if is_needed:
            await equip(manifest, home=self.folders.home)
            self.progress.step("student, merchant, dairy, sensor and supplier have wallets")

    def _publish(self, stack: Stack) -> None:
        """Where wallets and other tools look, and what the next `up` takes over."""
        variables = {**stack.variables, **addresses(), "BILLCOIN_ORACLE_URL": stack.oracle_url}
        write_manifest(self.folders.home, variables)
        deployment = self.folders.deployment(self.options.profile)
        deployment.write_text(json.dumps(stack.manifest.variables(), indent=2) + "\n")

    def _ready(self, stack: Stack) -> Record:
        chain = stack.chain
        processes = {process.name: process for process in stack.processes}
        return replace(
            self.record,
            phase=Phase.READY,
            processes={
                name: found
                for name, process in processes.items()
                if (found := _inner(process)) is not None
            },
            node_urls=() if chain is None else tuple(node.http_url for node in chain.nodes),
            controls={} if chain is None else chain.controls,
            oracle_url=stack.oracle_url,
        )


def _inner(process: LeashedProcess) -> Identity | None:
    """The command itself where its process id is known, else its leash."""
    written = process.log_path.with_suffix(".pid")
    return identify(int(written.read_text()) if written.exists() else process.pid)


def main() -> None:
    """Hold the devnet that the only argument describes."""
    options = UpOptions.from_text(sys.argv[1])
    folders = Folders(state_home())
    myself = identify(os.getpid())
    if myself is None:
        sys.exit("this process is not found among the system's")
    folders.make(options.profile)
    asyncio.run(_Keeper(folders, options, myself).run())


if __name__ == "__main__":
    main()
