"""The database as the routes see it: transactions, and one word for each way it is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import cast

import asyncpg

from ledger.deployment import Deployment
from ledger.store.cursor import DeploymentMismatchError, check_deployment
from ledger.store.pool import DATABASE_AWAY, Connection, Pool, connect, open_pool
from oracle_api.problems import UnavailableError

APPLICATION_NAME = "billcoin-oracle"
POOL_SIZE = 10
ACQUIRE_TIMEOUT_SECONDS = 5.0
STATEMENT_TIMEOUT_SECONDS = 10.0

_AWAY: tuple[type[BaseException], ...] = (
    *DATABASE_AWAY,
    asyncpg.InvalidCatalogNameError,
    # What the driver says when the connection is cut between two of its own steps.
    asyncpg.InternalClientError,
)


class Database:
    """A pool that connects when first needed, and the check that the ledger is ours."""

    def __init__(
        self, url: str, deployment: Deployment, *, application_name: str = APPLICATION_NAME
    ) -> None:
        self.url = url
        self._application_name = application_name
        self.deployment = deployment
        self._pool: Pool | None = None
        self._is_deployment_checked = False

    async def open(self) -> None:
        """Make the pool; the database need not be there yet."""
        self._pool = await open_pool(
            self.url,
            application_name=self._application_name,
            min_size=0,
            max_size=POOL_SIZE,
            statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS,
        )

    async def close(self) -> None:
        """Close every connection at once."""
        if self._pool is not None:
            self._pool.terminate()

    async def connect(self) -> Connection:
        """One connection beside the pool, for LISTEN and for the lanes of validation.

        Raises:
            UnavailableError: the database is away.
        """
        with availability():
            async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
                # With a limit: over a connection that was cut without a word, a statement would
                # wait for a quarter of an hour.
                return await connect(
                    self.url,
                    application_name=self._application_name,
                    statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS,
                )

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A read-only transaction that sees one instant.

        Raises:
            UnavailableError: the database is away or not ready.
        """
        with availability():
            async with (
                self._acquired() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection

    @contextlib.asynccontextmanager
    async def writing(self, *, needs_ledger: bool = True) -> AsyncIterator[Connection]:
        """A transaction that commits when the block ends well; only routes open one.

        Accounts need no ledger: they can be made before the indexer has begun one.

        Raises:
            UnavailableError: the database is away or not ready, or follows something else.
        """
        with availability():
            async with self._acquired() as connection, connection.transaction():
                if needs_ledger:
                    await self.check(connection)
                yield connection

    async def check(self, connection: Connection) -> None:
        """Make sure that the ledger is registered and ours; asks once, since that never changes.

        Raises:
            UnavailableError: `ledger_empty` or `deployment_mismatch`.
        """
        if self._is_deployment_checked:
            return
        try:
            self._is_deployment_checked = await check_deployment(connection, self.deployment)
        except DeploymentMismatchError as error:
            raise UnavailableError("deployment_mismatch", str(error)) from error
        if not self._is_deployment_checked:
            raise UnavailableError("ledger_empty", "the indexer has not registered its chain yet")

    @contextlib.asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Connection]:
        if self._pool is None:
            raise UnavailableError("database_unavailable", "the oracle is starting")
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            # The pool lends a proxy that does all that a connection does.
            yield cast(Connection, connection)


@contextlib.contextmanager
def availability() -> Iterator[None]:
    """Turn the driver's ways of failing for now into ours.

    Raises:
        UnavailableError: `database_unavailable` or `ledger_not_migrated`.
    """
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        message = "the database does not have our schema yet; run the migrations"
        raise UnavailableError("ledger_not_migrated", message) from error
    except _AWAY as error:
        raise UnavailableError("database_unavailable", "the database does not answer") from error
