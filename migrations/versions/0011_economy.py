"""What the contracts of the milk economy say."""

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Nothing yet."""
