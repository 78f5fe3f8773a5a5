"""Authorisations that the oracle broadcasts for wallets without gas."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Nothing yet."""
