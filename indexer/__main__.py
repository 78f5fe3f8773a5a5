"""The command `billcoin-indexer`."""

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Annotated, Any

import asyncpg
import structlog
import typer

from indexer import history_commands, operator_commands, treasury_command
from indexer.console import EXIT_UNSOUND, Json, read_settings, read_settings_of, say
from indexer.console import run as run_to_end
from indexer.halt_instructions import halt_instructions
from indexer.json_logs import configure_logs
from indexer.lead import lead_forever, open_sources
from indexer.progress import proving_bar
from indexer.replay_check import ReplayReport, replay_check
from indexer.settings import DatabaseSettings, IndexerSettings
from indexer.status import IndexerStatus, read_status
from ledger.errors import CorruptError, RejectedError
from ledger.store.pool import connect
from migrations import upgrade
from migrations.grants import grant_oracle_role

log = structlog.get_logger(__name__)

app = typer.Typer(
    help="Follows BillCoin's chain into Postgres and proves every block it takes in.",
    epilog="Settings come from the environment; docs/operator.md has the table.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _log_aside() -> None:
    """Keep logs out of standard output, which holds a command's result and nothing else."""
    configure_logs("INFO")


@app.command()
def migrate(
    *,
    oracle_role: Annotated[
        str | None,
        typer.Option(
            help="A database role to give what the oracle needs, and nothing more: it may not "
            "change what was proven, nor the audit log."
        ),
    ] = None,
) -> None:
    """Bring the database to the newest schema; safe to repeat and to run in parallel."""
    settings = read_settings_of(DatabaseSettings)
    run_to_end(upgrade(settings.database_url))
    typer.echo("The database has the newest schema.")
    if oracle_role is not None:
        run_to_end(_grant(settings.database_url, oracle_role))
        typer.echo(f"The role {oracle_role} may do what the oracle does.")


async def _grant(database_url: str, role: str) -> None:
    try:
        await grant_oracle_role(database_url, role)
    except asyncpg.UndefinedObjectError:
        message = f"there is no role {role}: make it first with CREATE ROLE {role} LOGIN ..."
        raise RejectedError("role_missing", message) from None


@app.command()
def run() -> None:
    """Follow the chain until stopped; a second process stands by and takes over by itself.

    Exit status 3 means that the indexer has halted: something contradicts what was final. The
    oracle refuses to answer until a person has looked and run `billcoin-indexer resume`.
    """
    settings = read_settings()
    configure_logs(settings.log_level)
    run_to_end(_until_stopped(lead_forever(settings)), tell_halt=_log_halt)


@app.command()
def status(*, as_json: Json = False) -> None:
    """Show where the ledger stands; exit status 1 when no indexer is at work or it has halted."""
    settings = read_settings()

    async def read() -> IndexerStatus:
        connection = await connect(settings.database_url, application_name="billcoin-status")
        try:
            return await read_status(connection, settings.chain_id)
        finally:
            await connection.close()

    found = run_to_end(read())
    say(found.as_json(), as_json=as_json, title="Ledger")
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
    settings = read_settings()
    report = run_to_end(_replay(settings, first, last))
    say(asdict(report) | {"sound": not report.differences}, as_json=as_json, title="Replay check")
    raise typer.Exit(EXIT_UNSOUND if report.differences else 0)


history_commands.add_to(app)
operator_commands.add_to(app)
treasury_command.add_to(app)


def main() -> None:
    """Run the command."""
    app()


async def _replay(settings: IndexerSettings, first: int | None, last: int | None) -> ReplayReport:
    connection = await connect(settings.database_url, application_name="billcoin-replay-check")
    try:
        async with open_sources(settings) as sources:
            with proving_bar() as progress:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    return await replay_check(
                        connection,
                        sources,
                        chain_id=settings.chain_id,
                        first=first,
                        last=last,
                        concurrency=settings.catch_up_concurrency,
                        progress=progress,
                    )
    finally:
        await connection.close()


def _log_halt(error: CorruptError) -> None:
    log.critical(
        "halted",
        code=type(error).__name__,
        reason=str(error),
        instructions=halt_instructions(error),
    )


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


if __name__ == "__main__":
    main()
