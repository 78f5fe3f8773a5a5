"""How the commands refuse: one line on standard error, and an exit status."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from ledger.errors import RejectedError

EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2


def refused(message: str, *, status: int = EXIT_REFUSED) -> typer.Exit:
    """Say why, and return what ends the command."""
    typer.echo(f"billcoin-oracle: {message}", err=True)
    return typer.Exit(status)


@contextmanager
def refusals_told(*, status: int = EXIT_REFUSED) -> Iterator[None]:
    """End the command with a line for whatever the caller has to change."""
    try:
        yield
    except RejectedError as error:
        raise refused(str(error), status=status) from None
