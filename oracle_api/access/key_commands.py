"""`billcoin-oracle keys`: the file with the keys that sign access tokens."""

from pathlib import Path
from typing import Annotated

import typer

from oracle_api.access.token_keys import add_key, drop_key, first_key, load_token_keys
from oracle_api.console import refusals_told

keys = typer.Typer(help="The keys that sign access tokens.", no_args_is_help=True)

KeysFile = Annotated[
    Path,
    typer.Option("--file", envvar="BILLCOIN_TOKEN_KEYS_FILE", help="The file with the keys."),
]
KeyId = Annotated[str, typer.Argument(help="The key's id (`kid`), as `keys list` shows it.")]


@keys.callback()
def keys_commands() -> None:
    """The keys that sign access tokens: a JSON Web Key Set. The first signs, all verify.

    To rotate: `keys new`, copy the file to every replica and restart them; `keys use` the new one,
    copy and restart again; a quarter of an hour later `keys drop` the old one.
    """


@keys.command()
def new(
    *,
    file: KeysFile,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing when there is a file.")
    ] = False,
) -> None:
    """Make a key: the first of a new file, or the last of one that is there."""
    if if_missing and file.exists():
        return
    with refusals_told():
        typer.echo(add_key(file))


@keys.command("list")
def list_command(*, file: KeysFile) -> None:
    """List the keys by their ids; the first signs."""
    with refusals_told():
        for kid in load_token_keys(file).by_id:
            typer.echo(kid)


@keys.command()
def use(kid: KeyId, *, file: KeysFile) -> None:
    """Put a key first, so that it signs."""
    with refusals_told():
        first_key(file, kid)


@keys.command()
def drop(kid: KeyId, *, file: KeysFile) -> None:
    """Take a key out of the file; tokens that it has signed are worth nothing then."""
    with refusals_told():
        drop_key(file, kid)
