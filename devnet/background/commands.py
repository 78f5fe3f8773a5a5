"""`billcoin-devnet up`, `down`, `status`, `logs` and `reset`."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from devnet.accounts import ACCOUNTS_NAME, API_KEY_VARIABLE, load_accounts
from devnet.background import lifecycle
from devnet.background.data import delete_data
from devnet.background.keeper import UpOptions
from devnet.background.log_lines import follow, last_lines
from devnet.background.people import PASSWORD, addresses
from devnet.background.record import Folders, Profile, read_record
from devnet.background.state_of_chain import state_of_chain
from devnet.console import say, say_result
from devnet.home import state_home
from devnet.manifest import ENVIRONMENT_NAME, MANIFEST_NAME
from devnet.wallet_commands import PASSWORD_VARIABLE, Json
from ledger.errors import RejectedError

MAX_PRICE_AGE_SECONDS = 86_400

ProfileOption = Annotated[
    Profile, typer.Option(help="fast: anvil, a block a second. pos: real proof of stake.")
]
Nodes = Annotated[int, typer.Option(min=1, max=3, help="pos: 1 or 2; fast: 1 to 3.")]


def _port(whose: str) -> Any:
    return typer.Option(min=1, max=65_535, help=f"{whose} port; by default a free one.")


def up(
    *,
    profile: ProfileOption = Profile.FAST,
    nodes: Nodes = 1,
    port: Annotated[int | None, _port("The oracle's")] = None,
    node_port: Annotated[int | None, _port("The first node's")] = None,
    database_port: Annotated[int | None, _port("PostgreSQL's")] = None,
    price_age: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_PRICE_AGE_SECONDS,
            help="Seconds after which the all-milk price is stale; by default a day. What standing "
            "orders go by is settled by the first `up`.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start a devnet that stays up: chain, contracts, Postgres, indexer, oracle, funded people.

    It goes on where the last one of this profile stopped. `down` stops it, `reset` forgets it.
    """
    folders = Folders(state_home())
    options = UpOptions(profile, nodes, port, node_port, database_port, price_age)
    record = lifecycle.start(folders, options, tell=lambda line: typer.echo(line, err=as_json))
    fields = record.fields() | {"people": addresses(), "manifest": str(folders.home)}
    lines = (
        f"The till: {record.oracle_url}/till\n"
        f"{_accounts(folders.data(profile))}"
        f"Addresses: {folders.home}/manifest.json and {folders.home}/.env\n"
        f"Wallets: student, merchant, dairy, sensor, supplier; "
        f"export {PASSWORD_VARIABLE}={PASSWORD}\n"
        "`billcoin-devnet status`, `logs -f`, `fault --help`, `down`"
    )
    say_result(fields, lines, as_json=as_json)


def _accounts(folder: Path) -> str:
    accounts = load_accounts(folder)
    if accounts is None:
        return ""
    return (
        f"  sign in as {accounts.till.name} with the password {accounts.till.password}\n"
        f"Other accounts: {folder / ACCOUNTS_NAME}; "
        f"a partner: export {API_KEY_VARIABLE}={accounts.api_key}\n"
    )


def down(*, as_json: Json = False) -> None:
    """Stop the devnet; what it holds stays for the next `up`."""
    was_up = lifecycle.stop(Folders(state_home()))
    say_result({"stopped": was_up}, "stopped" if was_up else "nothing was up", as_json=as_json)


def status(*, as_json: Json = False) -> None:
    """Tell what runs, how far the chain is, and whether the oracle would answer."""
    record = read_record(Folders(state_home()))
    if record is None or not record.is_up:
        problem = "" if record is None else record.problem
        fields: dict[str, Any] = {"up": False, "problem": problem}
        say_result(fields, f"no devnet is up\n{problem}".strip(), as_json=as_json)
        raise typer.Exit(1)
    processes = {name: process.is_alive() for name, process in record.processes.items()}
    state = asyncio.run(state_of_chain(record))
    fields = record.fields() | {"up": True, "alive": processes, **state}
    if as_json:
        say(json.dumps(fields))
        return
    say(f"{record.profile}, {record.phase}; oracle {record.oracle_url}: {state['oracle']}")
    for node in state["chain"]:
        say("  ".join(f"{name} {value}" for name, value in node.items()))
    for name, is_alive in processes.items():
        say(f"{'up  ' if is_alive else 'GONE'}  {name}  (process {record.processes[name].pid})")


def logs(
    service: Annotated[
        str | None, typer.Argument(help="One log, e.g. billcoin-indexer-run; by default all.")
    ] = None,
    *,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of each.")] = 20,
) -> None:
    """Show the ends of the logs of the devnet that runs or ran last."""
    folder = Folders(state_home()).logs
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if service is not None and service not in found:
        raise RejectedError(
            "log_unknown", f"there is no log {service!r}; there are: {', '.join(found) or 'none'}"
        )
    chosen = list(found.values()) if service is None else [found[service]]
    for path in chosen:
        for line in last_lines(path, lines):
            say(line if service else f"{path.stem}: {line}")
    if follow_on:
        follow(chosen, tell=say, named=service is None)


def reset(
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Stop the devnet and delete its chains, databases and logs; wallets stay."""
    folders = Folders(state_home())
    if not yes and not typer.confirm(
        f"Delete all chains and databases in {folders.all}?", err=True
    ):
        raise RejectedError("reset_declined", "nothing was deleted")
    lifecycle.stop(folders)
    for profile in Profile:
        delete_data(folders, profile)
    shutil.rmtree(folders.all, ignore_errors=True)
    for name in (MANIFEST_NAME, ENVIRONMENT_NAME):
        (folders.home / name).unlink(missing_ok=True)
    say_result({"reset": True}, "forgotten", as_json=as_json)
