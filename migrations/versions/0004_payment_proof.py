"""Payment proofs: what anybody needs to check a payment against a block hash."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = """
CREATE TABLE payment_proof (
    chain_id bigint NOT NULL,
    tx_hash bytea NOT NULL,
    block_hash bytea NOT NULL,
    document bytea,
    PRIMARY KEY (chain_id, tx_hash, block_hash),
    FOREIGN KEY (chain_id, block_hash) REFERENCES block
);
COMMENT ON TABLE payment_proof IS
    'Merkle proofs of transactions that pay orders, as JSON; null where one is too large.'
"""


def upgrade() -> None:
    """Create the table."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
