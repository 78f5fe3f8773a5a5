"""Flags, and the audit log that cannot be rewritten."""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Nothing yet."""
