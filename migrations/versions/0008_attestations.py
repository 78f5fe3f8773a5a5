"""Attestations that the oracle has signed."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = """
CREATE TABLE attestation (
    digest bytea PRIMARY KEY,
    chain_id bigint NOT NULL,
    verifier bytea NOT NULL,
    signer bytea NOT NULL,
    order_id text NOT NULL REFERENCES orders,
    tx_hash bytea NOT NULL,
    block_hash bytea NOT NULL,
    finality text NOT NULL,
    consumer bytea NOT NULL,
    account_id text,
    issued_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX attestation_order_id ON attestation (order_id);
COMMENT ON TABLE attestation IS
    'What the oracle has signed, and for whom: what is not here, a stolen key has signed.'
"""


def upgrade() -> None:
    """Create the table."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
