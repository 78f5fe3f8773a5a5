"""The migrations and the tables agree."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from oracle_support import Client, Ledger
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


async def test_orders_outlive_the_keys_that_they_were_made_with(
    ledger: Ledger, client: Client
) -> None:
    """0013 and 0014, over rows that keep the keys which they were made and used with."""
    made = [await client.order(key=f"k{number}") for number in range(3)]
    connection = ledger.connection
    before = await connection.fetch("SELECT * FROM orders ORDER BY id")
    await connection.execute("""
ALTER TABLE orders ADD COLUMN idempotency_key text UNIQUE, ADD COLUMN request_digest bytea;
UPDATE orders SET idempotency_key = id, request_digest = '\\x00'
WHERE id > (SELECT min(id) FROM orders);
ALTER TABLE coupon ADD COLUMN used_key text;
UPDATE alembic_version SET version_num = '0012'
""")
    await upgrade(ledger.url)
    assert await connection.fetch("SELECT * FROM orders ORDER BY id") == before
    assert len(before) == 3
    again = await client.order(key="k0")
    assert again == made[0]
