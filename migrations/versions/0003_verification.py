"""How far blocks were verified, told with every observation."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; what was verified so far was verified in full."""
    op.execute("ALTER TABLE observation ADD COLUMN verification text NOT NULL DEFAULT 'full'")
