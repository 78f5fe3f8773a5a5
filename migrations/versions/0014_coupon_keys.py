"""A used coupon's idempotency key, which nothing has ever read: `idempotency` holds the keys."""

from alembic import op

revision = "0014"
down_revision = "0013"

# No release has been made that writes it, so that no process of before runs beside ours.
_STATEMENTS = ("ALTER TABLE coupon DROP COLUMN used_key",)


def upgrade() -> None:
    """Drop the column."""
    for statement in _STATEMENTS:
        op.execute(statement)
