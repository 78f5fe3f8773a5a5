"""`billcoin-indexer export`: the ledger as files for auditors."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from indexer.console import EXIT_USAGE, Json, fail, read_settings, run, say
from indexer.export import export_ledger
from indexer.progress import progress_bar
from indexer.settings import IndexerSettings
from ledger.store.export import EXPORT_TABLES
from ledger.store.pool import connect


class Kind(StrEnum):
    """The files' format."""

    PARQUET = "parquet"
    CSV = "csv"


def export(
    *,
    out: Annotated[Path, typer.Option(file_okay=False, help="The folder to write to.")],
    kind: Annotated[Kind, typer.Option("--format", help="The files' format.")] = Kind.PARQUET,
    what: Annotated[str, typer.Option(help="Which tables, with commas between them.")] = ",".join(
        EXPORT_TABLES
    ),
    as_json: Json = False,
) -> None:
    """Write what the chain proves, orders, refunds and loyalty as they are at one instant.

    Amounts are whole base units in text, since no number type of a spreadsheet holds them;
    export.json names the tip that the files are of, and their SHA-256.
    """
    names = [name.strip() for name in what.split(",") if name.strip()]
    unknown = sorted(set(names) - EXPORT_TABLES.keys())
    if unknown or not names:
        fail(f"--what takes {', '.join(EXPORT_TABLES)}, not {what!r}", status=EXIT_USAGE)
    settings = read_settings()
    out.mkdir(parents=True, exist_ok=True)
    manifest = run(_export(settings, names, kind, out))
    say(manifest, as_json=as_json, title="Export")


async def _export(
    settings: IndexerSettings, names: list[str], kind: Kind, out: Path
) -> dict[str, Any]:
    connection = await connect(settings.database_url, application_name="billcoin-export")
    try:
        with progress_bar("Writing rows") as (bar, line):
            return await export_ledger(
                connection,
                chain_id=settings.chain_id,
                names=names,
                kind=kind,
                folder=out,
                progress=lambda name, rows: bar.update(line, completed=rows, rate=name),
            )
    finally:
        await connection.close()
