"""What is known of the devnet that runs: the record that `up` writes and the others read."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from devnet.background.identity import Identity
from devnet.home import make_private, write_private
from ledger.errors import RejectedError


class Profile(StrEnum):
    """What the chain is made of."""

    FAST = "fast"
    POS = "pos"


class Phase(StrEnum):
    """How far `up` has come."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """One devnet; `keeper` is the process that holds all others, which end with it."""

    profile: Profile
    nodes: int
    phase: Phase
    keeper: Identity
    processes: dict[str, Identity] = field(default_factory=dict)
    node_urls: tuple[str, ...] = ()
    controls: dict[str, str] = field(default_factory=dict)
    oracle_url: str = ""
    problem: str = ""

    @property
    def is_up(self) -> bool:
        """Whether it runs, or is coming up."""
        return self.phase is not Phase.FAILED and self.keeper.is_alive()

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "profile": self.profile,
            "nodes": self.nodes,
            "phase": self.phase,
            "keeper": self.keeper.fields(),
            "processes": {name: process.fields() for name, process in self.processes.items()},
            "nodeUrls": list(self.node_urls),
            "controls": self.controls,
            "oracleUrl": self.oracle_url,
            "problem": self.problem,
        }


@dataclass(frozen=True)
class Folders:
    """Where a devnet's files lie under the state folder."""

    home: Path

    @property
    def all(self) -> Path:
        """Of every profile; what `reset` deletes."""
        return self.home / "devnet"

    @property
    def record(self) -> Path:
        """The record of the devnet that runs or ran last."""
        return self.all / "record.json"

    @property
    def logs(self) -> Path:
        """The logs of the last run."""
        return self.all / "logs"

    def data(self, profile: Profile) -> Path:
        """What stays when the profile is down: chain and database."""
        return self.all / profile

    def deployment(self, profile: Profile) -> Path:
        """Written once a first `up` has come to its end: what is here can be taken up again."""
        return self.data(profile) / "deployment.json"

    def make(self, profile: Profile) -> None:
        """Make them, for their owner only."""
        for folder in (self.all, self.logs, self.data(profile)):
            make_private(folder)


def write_record(folders: Folders, record: Record) -> None:
    """Replace the record as a whole: a reader sees the old one or the new one."""
    partial = folders.record.with_suffix(".partial")
    write_private(partial, json.dumps(record.fields(), indent=2) + "\n")
    partial.replace(folders.record)


def read_record(folders: Folders) -> Record | None:
    """The record, or None when there never was a devnet here."""
    try:
        stored = json.loads(folders.record.read_text())
    except FileNotFoundError:
        return None
    return Record(
        profile=Profile(stored["profile"]),
        nodes=stored["nodes"],
        phase=Phase(stored["phase"]),
        keeper=Identity(**stored["keeper"]),
        processes={name: Identity(**told) for name, told in stored["processes"].items()},
        node_urls=tuple(stored["nodeUrls"]),
        controls=stored["controls"],
        oracle_url=stored["oracleUrl"],
        problem=stored["problem"],
    )


def require_up(folders: Folders) -> Record:
    """The record of a devnet that runs.

    Raises:
        RejectedError: `devnet_down`.
    """
    record = read_record(folders)
    if record is None or not record.is_up or record.phase is not Phase.READY:
        raise RejectedError("devnet_down", "no devnet is up: `billcoin-devnet up` starts one")
    return record
