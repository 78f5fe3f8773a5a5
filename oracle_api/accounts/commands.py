"""`billcoin-oracle accounts`: how the office makes accounts, and changes and ends them."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Final

import asyncpg
import typer

from ledger.errors import LedgerError, RejectedError
from ledger.store.accounts import StoredAccount, list_accounts, read_account_by_name
from ledger.store.actor import OFFICE_COMMAND
from ledger.store.api_keys import list_api_keys
from ledger.store.pool import DATABASE_AWAY, Connection, connect
from oracle_api.access.office import office_of
from oracle_api.access.passwords import Passwords
from oracle_api.access.principal import Role, Scope
from oracle_api.access.settings import AccessSettings
from oracle_api.accounts.requests import read_name, read_store
from oracle_api.accounts.resource import account_document, api_key_document
from oracle_api.accounts.service import (
    DEFAULT_KEY_DAYS,
    MAX_KEY_DAYS,
    AccountService,
)
from oracle_api.console import refused
from oracle_api.pages import is_id

LIST_LIMIT: Final = 1_000

accounts = typer.Typer(
    help="Accounts and their API keys, made by the office alone.", no_args_is_help=True
)

DatabaseUrl = Annotated[str, typer.Option(envvar="DATABASE_URL", help="The ledger's database.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Who = Annotated[str, typer.Argument(help="The account's name or id.")]
OneRole = Annotated[list[Role], typer.Option("--role", help="Repeat it for several.")]
Store = Annotated[str | None, typer.Option(help="The store that a till belongs to.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]

Work = Callable[[Connection, AccountService], Awaitable[dict[str, Any]]]


@accounts.callback()
def accounts_commands() -> None:
    """Accounts and their API keys, made by the office alone.

    Passwords are asked for, or read from standard input; never given as an argument, which every
    user of the machine could read.
    """


@accounts.command()
def create(
    name: Annotated[str, typer.Argument(help="What it signs in with: a-z, 0-9 and . _ @ -")],
    *,
    role: OneRole,
    store: Store = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="It shall only have API keys.")
    ] = False,
    password_stdin: PasswordStdin = False,
    database_url: DatabaseUrl,
    as_json: Json = False,
) -> None:
    """Make an account."""

    async def work(connection: Connection, service: AccountService) -> dict[str, Any]:
        made = await service.make(
            connection,
            OFFICE_COMMAND,
            name=read_name(name, service.office),
            roles=role,
            store_id=read_store(store, service.office),
            password_hash=password_hash,
        )
        return account_document(made.account)

    password_hash = None if no_password else _hashed(_password(from_stdin=password_stdin))
    _print(_run(database_url, work), as_json=as_json)


@accounts.command("list")
def list_command(*, database_url: DatabaseUrl, as_json: Json = False) -> None:
    """List the newest thousand accounts."""

    async def work(connection: Connection, _: AccountService) -> dict[str, Any]:
        found = await list_accounts(connection, before_id=None, limit=LIST_LIMIT)
        return {"data": [account_document(one) for one in found]}

    listed = _run(database_url, work)
    if as_json:
        _print(listed, as_json=True)
        return
    for one in listed["data"]:
        state = "" if one["isEnabled"] else "  disabled"
        typer.echo(f"{one['id']}  {one['name']}  {','.join(one['roles'])}{state}")


@accounts.command()
def show(who: Who, *, database_url: DatabaseUrl, as_json: Json = False) -> None:
    """Show an account and its API keys."""

    async def work(connection: Connection, service: AccountService) -> dict[str, Any]:
        account = await _find(connection, service, who)
        keys = await list_api_keys(connection, account.id, limit=LIST_LIMIT)
        return account_document(account) | {"keys": [api_key_document(one) for one in keys]}

    _print(_run(database_url, work), as_json=as_json)


@accounts.command()
def disable(who: Who, *, database_url: DatabaseUrl, as_json: Json = False) -> None:
    """Disable an account: its sessions end, its API keys rest; at once, at the latest in 10 s."""
    _set_enabled(who, database_url, is_enabled=False, as_json=as_json)


@accounts.command()
def enable(who: Who, *, database_url: DatabaseUrl, as_json: Json = False) -> None:
    """Enable a disabled account again."""
    _set_enabled(who, database_url, is_enabled=True, as_json=as_json)


@accounts.command("set-roles")
def set_roles(
    who: Who,
    *,
    role: OneRole,
    store: Store = None,
    database_url: DatabaseUrl,
    as_json: Json = False,
) -> None:
    """Give an account these roles, and no others."""

    async def work(connection: Connection, service: AccountService) -> dict[str, Any]:
        account = await _find(connection, service, who)
        changed = await service.set_roles(
            connection,
            OFFICE_COMMAND,
            account.id,
            roles=role,
            store_id=read_store(store, service.office),
        )
        return account_document(changed)

    _print(_run(database_url, work), as_json=as_json)


@accounts.command("set-password")
def set_password(
    who: Who,
    *,
    password_stdin: PasswordStdin = False,
    database_url: DatabaseUrl,
    as_json: Json = False,
) -> None:
    """Give an account another password; whoever was signed in has to sign in anew."""

    async def work(connection: Connection, service: AccountService) -> dict[str, Any]:
        account = await _find(connection, service, who)
        changed = await service.set_password(connection, OFFICE_COMMAND, account.id, password_hash)
        return account_document(changed)

    password_hash = _hashed(_password(from_stdin=password_stdin))
    _print(_run(database_url, work), as_json=as_json)


@accounts.command("create-key")
def create_key(
    who: Who,
    *,
    scope: Annotated[list[Scope], typer.Option("--scope", help="Repeat it for several.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "made by the office",
    days: Annotated[
        int, typer.Option(min=1, max=MAX_KEY_DAYS, help="How long it can be used.")
    ] = DEFAULT_KEY_DAYS,
    database_url: DatabaseUrl,
    as_json: Json = False,
) -> None:
    """Make an API key. It is printed this once and kept nowhere."""

    async def work(connection: Connection, service: AccountService) -> dict[str, Any]:
        account = await _find(connection, service, who)
        made = await service.make_key(
            connection, OFFICE_COMMAND, account.id, name=name, scopes=set(scope), days=days
        )
        return api_key_document(made.stored) | {"secret": made.secret}

    _print(_run(database_url, work), as_json=as_json)


@accounts.command("revoke-key")
def revoke_key(
    who: Who,
    key_id: Annotated[str, typer.Argument(help="The key's id, as `show` lists it.")],
    *,
    database_url: DatabaseUrl,
    as_json: Json = False,
) -> None:
    """End an API key; at once, at the latest in 10 seconds."""

    async def work(connection: Connection, service: AccountService) -> dict[str, Any]:
        account = await _find(connection, service, who)
        revoked = await service.revoke_key(connection, OFFICE_COMMAND, account.id, key_id)
        return api_key_document(revoked)

    _print(_run(database_url, work), as_json=as_json)


def _set_enabled(who: str, database_url: str, *, is_enabled: bool, as_json: bool) -> None:
    async def work(connection: Connection, service: AccountService) -> dict[str, Any]:
        account = await _find(connection, service, who)
        changed = await service.set_enabled(
            connection, OFFICE_COMMAND, account.id, is_enabled=is_enabled
        )
        return account_document(changed)

    _print(_run(database_url, work), as_json=as_json)


async def _find(connection: Connection, service: AccountService, who: str) -> StoredAccount:
    if not is_id(who, prefix="acc"):
        named = await read_account_by_name(connection, who)
        who = who if named is None else named.id
    return await service.existing(connection, who)


def _run(database_url: str, work: Work) -> dict[str, Any]:
    """Do the work in one transaction; what is refused or away is told in a sentence."""
    settings = AccessSettings()
    service = AccountService(
        office_of(settings), time.time, is_test=settings.api_key_kind == "test"
    )

    async def run() -> dict[str, Any]:
        async with _connected(database_url) as connection, connection.transaction():
            return await work(connection, service)

    try:
        return asyncio.run(run())
    except LedgerError as error:
        raise refused(str(error)) from None
    except asyncpg.UndefinedTableError:
        raise refused("the database lacks our schema; run billcoin-indexer migrate") from None
    except DATABASE_AWAY as error:
        raise refused(f"the database does not answer: {error}") from None


@contextlib.asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url, application_name="billcoin-accounts")
    try:
        yield connection
    finally:
        await connection.close()


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _hashed(password: str) -> str:
    passwords = Passwords(office_of(AccessSettings()))
    try:
        passwords.check_new(password)
        return passwords.hash_now(password)
    except RejectedError as error:
        raise refused(str(error)) from None
    finally:
        passwords.close()


def _print(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document))
        return
    for name, value in document.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{name}: {text}")
