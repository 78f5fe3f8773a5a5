"""The migrations and the tables agree."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from sqlalchemy import Connection, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from ledger.store.pool import connect
from ledger.store.schema import metadata
from migrations import upgrade
from oracle_api.jobs.queue import queries_over


def _is_ours(name: str | None, kind: str, _: object) -> bool:
    """The queue's tables are the library's business, which the next test asks about them."""
    return not (kind == "table" and name is not None and name.startswith("pgqueuer"))


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "compare_server_default": True,
            "include_name": _is_ours,
        },
    )
    return list(compare_metadata(context, metadata))


async def test_a_migrated_database_is_what_the_tables_say(ledger_url: str) -> None:
    engine = create_async_engine(
        make_url(ledger_url).set(drivername="postgresql+asyncpg"), poolclass=NullPool
    )
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()
    assert differences == []


async def test_the_queue_is_what_the_installed_library_wants(ledger_url: str) -> None:
    connection = await connect(ledger_url, application_name="test")
    plan = await queries_over(AsyncpgDriver(connection)).plan_upgrade()
    await connection.close()
    assert (list(plan.statements), list(plan.notes)) == ([], [])


async def test_migrating_twice_changes_nothing(ledger_url: str) -> None:
    await upgrade(ledger_url)
