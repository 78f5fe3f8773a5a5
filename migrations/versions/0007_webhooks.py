"""Webhook endpoints and the log of their deliveries."""

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Nothing yet."""
