"""Claims and events are written out of rows that are there, and no longer looked up one by one."""

from alembic import op

revision = "0013"
down_revision = "0012"

_STATEMENTS = (
    "ALTER TABLE event DROP CONSTRAINT event_order_id_fkey",
    "ALTER TABLE payment DROP CONSTRAINT payment_order_id_fkey",
    "ALTER TABLE payment DROP CONSTRAINT payment_chain_id_block_hash_log_index_fkey",
)


def upgrade() -> None:
    """Drop the foreign keys; `replay-check` looks for orphans instead."""
    for statement in _STATEMENTS:
        op.execute(statement)
