"""Accounts, their credentials, and which account made an order."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Nothing yet."""
