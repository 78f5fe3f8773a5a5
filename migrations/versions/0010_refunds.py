"""Refunds and what payers and stores may have unfinalised."""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Nothing yet."""
