"""Refunds, and what payers and stores may have released that is not final."""

from alembic import op

revision = "0010"
down_revision = "0009"

_STATEMENTS = """
ALTER TABLE orders
    ADD COLUMN policy_reason text NOT NULL DEFAULT 'amount',
    ADD COLUMN payer bytea,
    ADD COLUMN payer_exposure_limit bigint,
    ADD COLUMN store_exposure_limit bigint
"""


def upgrade() -> None:
    """Create the tables, one statement at a time as the driver wants them."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
