"""The command lines of execution client, consensus client and validators, on loopback only."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devnet.ports import LOOPBACK, free_port
from devnet.pos.genesis import VALIDATORS, GenesisFiles, Rules
from devnet.pos.install import CONSENSUS, EXECUTION
from devnet.pos.node_js import NodeJs
from devnet.process import Ending, LeashedProcess

# The consensus client does not end when asked, and what it holds is made anew at each start.
_AT_ONCE = Ending(signal.SIGKILL, grace_seconds=2.0)
_IN_PEACE = Ending(signal.SIGINT, grace_seconds=10.0)
_NEUTRAL = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


@dataclass(frozen=True)
class Ports:
    """Of one pair of clients; the peers' port is used for TCP and UDP."""

    rpc: int
    engine: int
    beacon: int
    peers: int


def free_ports(*, rpc: int | None = None) -> Ports:
    """Ports that nobody listens on now."""
    return Ports(rpc or free_port(), free_port(), free_port(), free_port())


@dataclass(frozen=True)
class Clients:
    """Starts the processes of one chain; all logs go to one folder, all data to another."""

    node_js: NodeJs
    genesis: GenesisFiles
    rules: Rules
    data: Path
    logs: Path
    fee_recipient: str

    def execution(self, number: int, ports: Ports) -> LeashedProcess:
        """The client that runs transactions and keeps the chain; its data outlives it."""
        arguments = [
            *("--gethGenesis", str(self.genesis.execution)),
            *("--dataDir", str(self.data / f"execution-{number}")),
            # Blocks come from the consensus client alone: no socket to other nodes is opened.
            *("--isSingleNode", "--sync", "none"),
            *("--rpc", "--rpcAddr", LOOPBACK, "--rpcPort", str(ports.rpc)),
            *("--rpcEngine", "--rpcEngineAddr", LOOPBACK, "--rpcEnginePort", str(ports.engine)),
            *("--jwtSecret", str(self.genesis.secret), "--saveReceipts"),
        ]
        script = EXECUTION / "ethereumjs.mjs"
        return self._start(f"execution-{number}", script, arguments, _IN_PEACE)

    def consensus(
        self, number: int, ports: Ports, *, anchor: str, genesis_time: int
    ) -> LeashedProcess:
        """The client that decides which block is the head; `anchor` is the block it begins on."""
        arguments = [
            *("dev", "--dataDir", str(self.data / f"consensus-{number}")),
            *("--paramsFile", str(self.genesis.rules), "--logFile", "none"),
            *("--genesisValidators", str(VALIDATORS), "--genesisTime", str(genesis_time)),
            *("--genesisEth1Hash", anchor, "--eth1", "false"),
            *("--execution.urls", f"http://{LOOPBACK}:{ports.engine}"),
            *("--jwt-secret", str(self.genesis.secret)),
            *("--rest", "--rest.address", LOOPBACK, "--rest.port", str(ports.beacon)),
            *("--rest.namespace", "*"),
            *("--listenAddress", LOOPBACK, "--port", str(ports.peers), "--mdns", "false"),
            *("--discv5", "false", "--network.connectToDiscv5Bootnodes", "false"),
            *("--suggestedFeeRecipient", self.fee_recipient),
            # Worker threads for signatures are for a thousand validators, not for eight.
            *("--chain.blsVerifyAllMainThread", "true"),
        ]
        return self._lodestar(f"consensus-{number}", arguments)

    def validators(self, number: int, indexes: range, ports: Ports) -> LeashedProcess:
        """Validators with keys that everybody knows, in a process of their own to be paused."""
        arguments = [
            *("validator", "--network", "dev", "--logFile", "none"),
            *("--dataDir", str(self.data / f"validators-{number}")),
            *("--paramsFile", str(self.genesis.rules)),
            *("--interopIndexes", f"{indexes.start}..{indexes.stop - 1}"),
            *("--beaconNodes", f"http://{LOOPBACK}:{ports.beacon}"),
            *("--suggestedFeeRecipient", self.fee_recipient),
        ]
        return self._lodestar(f"validators-{number}", arguments)

    def _lodestar(self, name: str, arguments: Sequence[str]) -> LeashedProcess:
        return self._start(name, CONSENSUS / "lodestar.mjs", arguments, _AT_ONCE)

    def _start(
        self, name: str, script: Path, arguments: Sequence[str], ending: Ending
    ) -> LeashedProcess:
        environment = {key: value for key, value in os.environ.items() if key in _NEUTRAL}
        environment |= {
            "BILLCOIN_SLOTS_PER_EPOCH": str(self.rules.slots_per_epoch),
            "LODESTAR_PRESET": "minimal",
            # A library for certificates would otherwise look for native code that is not built.
            "NODE_BACKEND": "js",
            "NO_COLOR": "1",
        }
        return LeashedProcess(
            name,
            [str(self.node_js.program), str(script), *arguments],
            log_path=self.logs / f"{name}.log",
            environment=environment,
            # The consensus client leaves a copy of its genesis where it was started.
            working_directory=self.data,
            ending=ending,
            pid_path=self.logs / f"{name}.pid",
        )
