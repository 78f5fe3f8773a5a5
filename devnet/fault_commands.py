"""`billcoin-devnet fault`: make the devnet's chain misbehave, as far as its profile really can."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from devnet import faults
from devnet.background.record import Folders, Profile, Record, require_up
from devnet.console import say_result
from devnet.home import state_home
from devnet.node_front import LIES
from devnet.wallet_commands import Json
from ledger.errors import RejectedError

fault_app = typer.Typer(
    help="Make the chain of the devnet that is up misbehave, and well again.",
    no_args_is_help=True,
)

SHOWN_BY: dict[str, dict[Profile, str]] = {
    "reorg": {Profile.FAST: "anvil replaces its newest blocks"},
    "partition": {Profile.POS: "with --nodes 2 the clients part, and each side builds on"},
    "heal": {Profile.POS: "the sides meet; the one with fewer votes gives its blocks up"},
    "stop-validators": {Profile.POS: "three of eight are paused: nothing becomes final"},
    "start-validators": {Profile.POS: "they go on"},
    "pause-blocks": {
        Profile.FAST: "anvil makes none",
        Profile.POS: "all validators are paused",
    },
    "resume-blocks": {Profile.FAST: "anvil goes on", Profile.POS: "the validators go on"},
    "lag-node": {
        Profile.FAST: "with --nodes 2 or 3 the last node stays behind",
        Profile.POS: "with --nodes 2 the second consensus client is paused",
    },
    "catch-up": {Profile.FAST: "the last node is honest again", Profile.POS: "it goes on"},
    "lie": {Profile.FAST: "with --nodes 2 or 3 the last node's answers are spoilt"},
}
"""What each fault is on which profile; docs/devnet.md has the same table."""


def _record(fault: str) -> Record:
    """The devnet that is up, if its profile can really show the fault.

    Raises:
        RejectedError: `devnet_down`, or `fault_of_other_profile`, which says who can.
    """
    record = require_up(Folders(state_home()))
    shown_by = SHOWN_BY[fault]
    if record.profile not in shown_by:
        others = "; ".join(f"--profile {name}: {what}" for name, what in shown_by.items())
        hint = " (there a reorganisation comes of `partition` and `heal`)"
        raise RejectedError(
            "fault_of_other_profile",
            f"profile {record.profile} cannot really show {fault}; {others}"
            f"{hint if fault == 'reorg' else ''}",
        )
    return record


def _run(
    fault: str,
    action: Callable[[Record], Coroutine[Any, Any, dict[str, Any]]],
    *,
    as_json: bool,
) -> None:
    record = _record(fault)
    result = {"fault": fault, "profile": str(record.profile), **asyncio.run(action(record))}
    say_result(result, f"{fault}: {SHOWN_BY[fault][record.profile]}", as_json=as_json)


@fault_app.command()
def reorg(
    *,
    depth: Annotated[int, typer.Option(min=1, max=64, help="How many blocks are replaced.")] = 3,
    as_json: Json = False,
) -> None:
    """Replace the newest blocks by others without their transactions."""
    _run("reorg", lambda record: faults.reorganise(record, depth), as_json=as_json)


@fault_app.command()
def partition(*, as_json: Json = False) -> None:
    """Part the two nodes: five validators stay with the first, three with the second."""
    _run("partition", faults.part, as_json=as_json)


@fault_app.command()
def heal(*, as_json: Json = False) -> None:
    """Connect the nodes again."""
    _run("heal", faults.heal, as_json=as_json)


@fault_app.command("pause-blocks")
def pause_blocks(*, as_json: Json = False) -> None:
    """Make no blocks any more."""
    _run("pause-blocks", faults.pause_blocks, as_json=as_json)


@fault_app.command("resume-blocks")
def resume_blocks(*, as_json: Json = False) -> None:
    """Make blocks again."""
    _run("resume-blocks", faults.resume_blocks, as_json=as_json)


@fault_app.command("stop-validators")
def stop_validators(*, as_json: Json = False) -> None:
    """Pause three of the eight validators: blocks still come, finality does not."""
    _run("stop-validators", faults.stop_validators, as_json=as_json)


@fault_app.command("start-validators")
def start_validators(*, as_json: Json = False) -> None:
    """Let the paused validators go on."""
    _run("start-validators", faults.start_validators, as_json=as_json)


@fault_app.command("lag-node")
def lag_node(
    *,
    blocks: Annotated[int, typer.Option(min=1, help="How far behind (profile fast).")] = 5,
    as_json: Json = False,
) -> None:
    """Let the last node stay behind the others."""
    _run("lag-node", lambda record: faults.lag(record, blocks), as_json=as_json)


@fault_app.command("catch-up")
def catch_up(*, as_json: Json = False) -> None:
    """Make the last node quick and honest again."""
    _run("catch-up", faults.catch_up, as_json=as_json)


@fault_app.command()
def lie(
    how: Annotated[str, typer.Argument(help=f"One of {', '.join(LIES)}.")] = LIES[0],
    *,
    as_json: Json = False,
) -> None:
    """Let the last node's answers be spoilt; `catch-up` makes it honest again."""
    if how not in LIES:
        raise RejectedError("fault_unknown", f"there is no lie {how!r}: {', '.join(LIES)}")
    _run("lie", lambda record: faults.lie(record, how), as_json=as_json)
