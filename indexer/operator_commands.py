"""The commands for whoever is on call: what nodes were caught with, and going on after a halt."""

import os
import pwd
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from indexer.console import Json, read_settings, run, say
from indexer.settings import IndexerSettings
from ledger.store.actor import OFFICE_COMMAND
from ledger.store.evidence import MAX_KEPT, read_evidence_log
from ledger.store.observation import Halt, clear_halt
from ledger.store.pool import connect

Limit = Annotated[int, typer.Option(min=1, max=MAX_KEPT, help="How many, the newest first.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `billcoin-indexer`."""
    app.command()(evidence)
    app.command()(resume)


def evidence(*, limit: Limit = 20, as_json: Json = False) -> None:
    """Show what nodes were caught lying with; `--json` holds each answer in full."""
    settings = read_settings()
    found = run(_read(settings, limit))
    if as_json:
        say({"evidence": found}, as_json=True, title="")
        return
    table = Table("caught at (UTC)", "node", "check", "what was wrong", title="Evidence")
    for entry in found:
        caught_at = f"{entry['caught_at']:%Y-%m-%d %H:%M:%S}"
        table.add_row(caught_at, entry["source"], entry["code"], entry["message"])
    Console().print(table if found else "No node was caught lying.")


async def _read(settings: IndexerSettings, limit: int) -> list[dict[str, Any]]:
    connection = await connect(settings.database_url, application_name="billcoin-evidence")
    try:
        return await read_evidence_log(connection, settings.chain_id, limit=limit)
    finally:
        await connection.close()


def resume(
    *, yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False
) -> None:
    """Forget a halt, after its cause was resolved; then start `billcoin-indexer run` again."""
    settings = read_settings()
    if not yes:
        typer.confirm("Has the cause of the halt been resolved?", abort=True)
    cleared = run(_clear(settings))
    if cleared is None:
        typer.echo("There is no halt to clear.")
    else:
        typer.echo(f"The halt {cleared.code} is cleared. Start `billcoin-indexer run` again.")


async def _clear(settings: IndexerSettings) -> Halt | None:
    connection = await connect(settings.database_url, application_name="billcoin-resume")
    try:
        async with connection.transaction():
            cleared = await clear_halt(connection, settings.chain_id)
            if cleared is not None:
                details = {
                    "chainId": settings.chain_id,
                    "haltCode": cleared.code,
                    "haltReason": cleared.reason,
                    "systemUser": _system_user(),
                }
                await OFFICE_COMMAND.note(
                    connection, "indexer.resumed", "indexer", details, now=datetime.now(UTC)
                )
            return cleared
    finally:
        await connection.close()


def _system_user() -> str:
    """Who runs this, by the system's word and not the environment's; a number if it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
