"""An order's own idempotency key, which nothing has written since `idempotency` holds the keys."""

from alembic import op

revision = "0013"
down_revision = "0012"

# The unique index goes with its column. What is dropped was null in every order since 0006; keys
# of before have been free again since a day after it.
_STATEMENTS = ("ALTER TABLE orders DROP COLUMN idempotency_key, DROP COLUMN request_digest",)


def upgrade() -> None:
    """Drop the columns."""
    for statement in _STATEMENTS:
        op.execute(statement)
