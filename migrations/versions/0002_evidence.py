"""Evidence against nodes that were caught lying."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = """
CREATE TABLE evidence (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain_id bigint NOT NULL REFERENCES chain,
    source text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    details jsonb NOT NULL,
    caught_at timestamptz NOT NULL
);
CREATE INDEX evidence_newest ON evidence (chain_id, id);
COMMENT ON TABLE evidence IS 'What nodes were caught with, the newest thousand.'
"""


def upgrade() -> None:
    """Create the table."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
