"""The command `billcoin-indexer`."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import structlog
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from indexer import history_commands, operator_commands
from indexer.json_logs import configure_logs
from indexer.lead import lead_forever, open_sources
from indexer.replay_check import ReplayReport, replay_check
from indexer.settings import DatabaseSettings, IndexerSettings
from indexer.status import IndexerStatus, read_status
from ledger.errors import CorruptError, LedgerError
from ledger.store.observation import clear_halt
from ledger.store.pool import connect
from migrations import upgrade

log = structlog.get_logger(__name__)

EXIT_UNSOUND = 1
EXIT_USAGE = 2
EXIT_HALTED = 3
EXIT_UNAVAILABLE = 4

app = typer.Typer(
    help="Follows BillCoin's chain into Postgres and proves every block it takes in.",
    epilog="Settings come from the environment; docs/operator.md has the table.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Settings = TypeVar("Settings", bound=DatabaseSettings)
Result = TypeVar("Result")


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema; safe to repeat and to run in parallel."""
    settings = _read_settings(DatabaseSettings)
    _run(upgrade(settings.database_url))
    typer.echo("The database has the newest schema.")


@app.command()
def run() -> None:
    """Follow the chain until stopped; a second process stands by and takes over by itself.

    Exit status 3 means that the indexer has halted: something contradicts what was final. The
    oracle refuses to answer until a person has looked and run `billcoin-indexer resume`.
    """
    settings = _read_settings(IndexerSettings)
    configure_logs(settings.log_level)
    try:
        _run(_until_stopped(lead_forever(settings)))
    except CorruptError as error:
        log.critical("halted", code=type(error).__name__, reason=str(error))
        raise typer.Exit(EXIT_HALTED) from error


@app.command()
def status(*, as_json: Json = False) -> None:
    """Show where the ledger stands; exit status 1 when no indexer is at work or it has halted."""
    settings = _read_settings(IndexerSettings)

    async def read() -> IndexerStatus:
        connection = await connect(settings.database_url, application_name="billcoin-status")
        try:
            return await read_status(connection, settings.chain_id)
        finally:
            await connection.close()

    found = _run(read())
    _print(found.as_json(), as_json=as_json, title="Ledger")
    raise typer.Exit(0 if found.is_healthy else EXIT_UNSOUND)


@app.command("replay-check")
def replay_check_command(
    *,
    first: Annotated[int | None, typer.Option("--from", min=0, help="First block.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=0, help="Last block.")] = None,
    as_json: Json = False,
) -> None:
    """Recompute history from the node and compare it with the ledger; exit status 1 if it differs.

    Every block is fetched and proven again; blocks, transfers, claims and order status must all
    come out the same.
    """
    settings = _read_settings(IndexerSettings)
    report = _run(_replay(settings, first, last))
    _print(
        asdict(report) | {"sound": not report.differences}, as_json=as_json, title="Replay check"
    )
    raise typer.Exit(EXIT_UNSOUND if report.differences else 0)


@app.command()
def resume(
    *, yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False
) -> None:
    """Forget a halt, after its cause was resolved; then start `billcoin-indexer run` again."""
    settings = _read_settings(IndexerSettings)
    if not yes:
        typer.confirm("Has the cause of the halt been resolved?", abort=True)

    async def clear() -> None:
        connection = await connect(settings.database_url, application_name="billcoin-resume")
        try:
            await clear_halt(connection, settings.chain_id)
        finally:
            await connection.close()

    _run(clear())
    typer.echo("The halt is cleared. Start `billcoin-indexer run` again.")


history_commands.add_to(app)
operator_commands.add_to(app)


def main() -> None:
    """Run the command."""
    app()


async def _replay(settings: IndexerSettings, first: int | None, last: int | None) -> ReplayReport:
    connection = await connect(settings.database_url, application_name="billcoin-replay-check")
    columns = ("Proving blocks", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        async with open_sources(settings) as sources:
            with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("", total=None)
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    return await replay_check(
                        connection,
                        sources,
                        chain_id=settings.chain_id,
                        first=first,
                        last=last,
                        concurrency=settings.catch_up_concurrency,
                        progress=lambda done, total: bar.update(task, completed=done, total=total),
                    )
    finally:
        await connection.close()


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until the work ends or a signal asks to stop, which is no error."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.info("stopped")


def _read_settings(kind: type[Settings]) -> Settings:
    try:
        return kind()
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0]) if fault["loc"] else ""
            variable = name if name.isupper() or not name else f"BILLCOIN_{name.upper()}"
            _complain(f"{variable}: {fault['msg']}".removeprefix(": "))
        _complain("Set these environment variables; docs/operator.md has the table.")
        raise typer.Exit(EXIT_USAGE) from error


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except CorruptError:
        raise
    except LedgerError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"cannot reach the database or the node: {error}")


def _fail(message: str) -> NoReturn:
    _complain(message)
    raise typer.Exit(EXIT_UNAVAILABLE)


def _complain(message: str) -> None:
    typer.echo(message, err=True)


def _print(values: dict[str, Any], *, as_json: bool, title: str) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(values).decode() + "\n")
        return
    table = Table("", "", title=title, show_header=False)
    for name, value in values.items():
        shown = "\n".join(value) if isinstance(value, tuple) else str(value)
        table.add_row(name.replace("_", " "), shown or "none")
    Console().print(table)


if __name__ == "__main__":
    main()
