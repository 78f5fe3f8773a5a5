"""What the commands share: settings, exit statuses, and one way to print."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from indexer.settings import DatabaseSettings, IndexerSettings
from ledger.errors import CorruptError, LedgerError

EXIT_UNSOUND = 1
EXIT_USAGE = 2
EXIT_HALTED = 3
EXIT_UNAVAILABLE = 4

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Result = TypeVar("Result")
Settings = TypeVar("Settings", bound=DatabaseSettings)


def read_settings() -> IndexerSettings:
    """The settings from the environment; what is missing or wrong is named."""
    return read_settings_of(IndexerSettings)


def read_settings_of(kind: type[Settings]) -> Settings:
    """Settings of this kind, for a command that needs fewer."""
    try:
        return kind()
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0]) if fault["loc"] else ""
            variable = name if name.isupper() or not name else f"BILLCOIN_{name.upper()}"
            typer.echo(f"{variable}: {fault['msg']}".removeprefix(": "), err=True)
        typer.echo("Set these environment variables; docs/operator.md has the table.", err=True)
        raise typer.Exit(EXIT_USAGE) from error


def run(
    work: Coroutine[Any, Any, Result],
    *,
    tell_halt: Callable[[CorruptError], None] = lambda error: typer.echo(str(error), err=True),
) -> Result:
    """Run to the end; expected errors become one line and an exit status."""
    try:
        return asyncio.run(work)
    except CorruptError as error:
        tell_halt(error)
        raise typer.Exit(EXIT_HALTED) from error
    except LedgerError as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot reach the database, the node or the file: {error}")


def fail(message: str, *, status: int = EXIT_UNAVAILABLE) -> NoReturn:
    """End the command with a message."""
    typer.echo(message, err=True)
    raise typer.Exit(status)


def say(values: Mapping[str, Any], *, as_json: bool, title: str) -> None:
    """Print a result as one JSON object, or as a table for people."""
    if as_json:
        sys.stdout.write(orjson.dumps(values).decode() + "\n")
        return
    table = Table("", "", title=title, show_header=False)
    for name, value in values.items():
        shown = "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        table.add_row(name.replace("_", " "), shown or "none")
    Console().print(table)
