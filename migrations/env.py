"""How Alembic reaches the database; the connection comes from migrations.upgrade."""

from alembic import context

from ledger.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
