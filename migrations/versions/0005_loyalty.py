"""Loyalty: whose an order is, and the points that its payment earns."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Nothing yet."""
