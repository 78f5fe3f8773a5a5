"""Connections to Postgres, with JSON read and written by orjson."""

from typing import Any, TypeAlias

import asyncpg
import orjson

from ledger.store.copy_format import JSONB_VERSION

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


DATABASE_AWAY: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # the other server of a pair leads now
    asyncpg.PostgresSystemError,  # its disk fails
    asyncpg.InterfaceError,  # the driver's word for a closed connection
    asyncpg.InternalClientError,  # and for one that was cut between two of its steps
    OSError,
    TimeoutError,
)
"""What the driver raises when the database is away for now: nothing was written, try again."""


PLAN_EACH_TIME = "SET plan_cache_mode = force_custom_plan"


async def open_pool(
    database_url: str,
    *,
    application_name: str,
    min_size: int = 1,
    max_size: int = 10,
    statement_timeout_seconds: float = 30.0,
) -> Pool:
    """Open a pool; every connection has the ledger's codecs and a statement timeout."""
    return await asyncpg.create_pool(
        database_url,
        min_size=min_size,
        max_size=max_size,
        init=prepare,
        command_timeout=statement_timeout_seconds,
        server_settings={"application_name": application_name},
    )


async def connect(
    database_url: str,
    *,
    application_name: str,
    statement_timeout_seconds: float | None = None,
    plans_each_time: bool = False,
) -> Connection:
    """Open one connection of its own, for locks and LISTEN.

    Who asks seldom and for much has each statement planned for the tables as they are then: a plan
    kept from when they were empty is the slowest there is for full ones.
    """
    connection: Connection = await asyncpg.connect(
        database_url,
        command_timeout=statement_timeout_seconds,
        server_settings={"application_name": application_name},
    )
    return await prepared(connection, *([PLAN_EACH_TIME] if plans_each_time else []))


async def prepared(connection: Connection, *statements: str) -> Connection:
    """A new connection with its codecs and after these statements; closed if that fails."""
    try:
        await prepare(connection)
        for statement in statements:
            await connection.execute(statement)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def prepare(connection: Any) -> None:
    """Teach a new connection the ledger's codecs."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: JSONB_VERSION + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[len(JSONB_VERSION) :]),
        format="binary",
    )
