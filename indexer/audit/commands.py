"""`billcoin-indexer audit` and `verify-audit`."""

from concurrent.futures import Executor
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from indexer.audit.executors import executor_for
from indexer.audit.report import Report, check_signature, signed
from indexer.audit.work import audit_range, choose_task
from indexer.backfill import DEFAULT_WORKERS
from indexer.console import (
    EXIT_UNSOUND,
    Json,
    fail,
    read_settings,
    run,
    say,
)
from indexer.progress import proving_bar
from indexer.settings import IndexerSettings
from ledger.errors import LedgerError, RejectedError
from ledger.store.pool import connect

_MAX_TOLD_ROWS = 40


def audit(
    *,
    first: Annotated[int | None, typer.Option("--from", min=0, help="First block.")] = None,
    last: Annotated[
        int | None, typer.Option("--to", min=0, help="Last block; by default the finalized one.")
    ] = None,
    node: Annotated[
        str | None, typer.Option(help="The node to compare with; by default our first one.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes on this machine.")
    ] = DEFAULT_WORKERS,
    scheduler: Annotated[
        str | None, typer.Option(help="Use the Dask cluster with this scheduler, tcp://...")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(help="Sign the report with the private key in this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Build a range anew from a node and compare every row with the ledger.

    Exit status 1 when they differ. Every block is proven; the digests in the report are defined
    in docs/auditor.md, so that two auditors can compare theirs without sharing data.
    """
    settings = read_settings()
    try:
        with executor_for(scheduler, workers=workers) as (executor, count):
            report = run(
                _audit(settings, executor, workers=count, node=node, first=first, last=last)
            )
        values = report.as_json() if sign is None else signed(report, sign)
    except LedgerError as error:
        fail(str(error))
    if as_json:
        say(values, as_json=True, title="")
    else:
        _tell(report, values)
    raise typer.Exit(0 if report.is_identical else EXIT_UNSOUND)


def verify_audit(
    file: Annotated[Path, typer.Argument(help="What `audit --json --sign` printed.", exists=True)],
    *,
    signer: Annotated[str, typer.Option(help="The auditor's address, 0x...")],
    as_json: Json = False,
) -> None:
    """Check that a report was signed by this auditor and not altered since; needs no settings."""
    try:
        report = check_signature(orjson.loads(file.read_bytes()), signer=signer)
    except (RejectedError, orjson.JSONDecodeError) as error:
        fail(f"refused: {error}", status=EXIT_UNSOUND)
    shown = {name: value for name, value in report.items() if name != "differences"}
    say({"signer": signer} | shown, as_json=as_json, title="Signed audit")


async def _audit(
    settings: IndexerSettings,
    executor: Executor,
    *,
    workers: int,
    node: str | None,
    first: int | None,
    last: int | None,
) -> Report:
    connection = await connect(settings.database_url, application_name="billcoin-audit")
    try:
        task = await choose_task(connection, settings, node=node, first=first, last=last)
        with proving_bar() as progress:
            return await audit_range(
                connection,
                executor,
                task,
                workers=workers,
                progress=progress,
            )
    finally:
        await connection.close()


def _tell(report: Report, values: dict[str, Any]) -> None:
    shown = {name: value for name, value in report.as_json().items() if name != "differences"}
    rows = [
        f"block {item['block_number']}: only the {item['side']} has {item['table']} {item['row']}"
        for item in report.differences
    ]
    shown["differences"] = rows[:_MAX_TOLD_ROWS]
    if "signer" in values:
        shown |= {"signer": values["signer"], "signature": values["signature"]}
    say(shown, as_json=False, title="Audit")
