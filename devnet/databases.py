"""Fresh databases on a PostgreSQL server, each a copy of a template."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg

DEFAULT_TEMPLATE = "template1"


def with_database(server_url: str, database: str) -> str:
    """The same server's URL for another database."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{database}"))


async def _execute(server_url: str, statement: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def create_database(
    server_url: str, *, name: str | None = None, template: str = DEFAULT_TEMPLATE
) -> str:
    """Create a database and give its URL; a random name keeps parallel tests apart.

    Copying page by page through the log (`wal_log`) needs no checkpoint, which is what makes a
    small template cheap: some tens of milliseconds.
    """
    chosen = name or f"billcoin_{secrets.token_hex(8)}"
    await _execute(server_url, f'CREATE DATABASE "{chosen}" TEMPLATE "{template}" STRATEGY wal_log')
    return with_database(server_url, chosen)


async def ensure_database(server_url: str, name: str) -> str:
    """The URL of the database of this name, made unless it is there."""
    with contextlib.suppress(asyncpg.DuplicateDatabaseError):
        await create_database(server_url, name=name)
    return with_database(server_url, name)


async def drop_database(database_url: str, *, server_url: str) -> None:
    """Drop a database and cut off whoever is still connected to it."""
    name = urlsplit(database_url).path.lstrip("/")
    await _execute(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.asynccontextmanager
async def fresh_database(
    server_url: str, *, template: str = DEFAULT_TEMPLATE
) -> AsyncIterator[str]:
    """A new database's URL for the length of the block."""
    database_url = await create_database(server_url, template=template)
    try:
        yield database_url
    finally:
        await drop_database(database_url, server_url=server_url)


async def create_role(database_url: str, name: str) -> str:
    """Create a role that may log in, and give the database's URL for it.

    One that is there already gets a new password.
    """
    password = secrets.token_hex(16)
    with contextlib.suppress(asyncpg.DuplicateObjectError):
        await _execute(database_url, f'CREATE ROLE "{name}" LOGIN')
    await _execute(database_url, f"ALTER ROLE \"{name}\" PASSWORD '{password}'")
    parts = urlsplit(database_url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{password}@{place}"))
