"""The commands for whoever is on call: what nodes were caught with."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from indexer.console import Json, read_settings, run, say
from indexer.settings import IndexerSettings
from ledger.store.evidence import MAX_KEPT, read_evidence_log
from ledger.store.pool import connect

Limit = Annotated[int, typer.Option(min=1, max=MAX_KEPT, help="How many, the newest first.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `billcoin-indexer`."""
    app.command()(evidence)


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
