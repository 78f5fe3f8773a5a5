"""What the contracts of the milk economy say."""

from alembic import op

revision = "0011"
down_revision = "0010"

_STATEMENTS = """
CREATE TABLE followed_contract (
    chain_id bigint NOT NULL REFERENCES chain,
    contract text NOT NULL,
    address bytea NOT NULL,
    since_number bigint NOT NULL,
    PRIMARY KEY (chain_id, contract)
);
COMMENT ON TABLE followed_contract IS
    'Contracts beside the token whose events we keep, and from which block on.';
CREATE TABLE contract_event (
    chain_id bigint NOT NULL,
    block_hash bytea NOT NULL,
    log_index integer NOT NULL,
    block_number bigint NOT NULL,
    tx_index integer NOT NULL,
    tx_hash bytea NOT NULL,
    contract text NOT NULL,
    name text NOT NULL,
    arguments jsonb NOT NULL,
    canonical boolean NOT NULL,
    PRIMARY KEY (chain_id, block_hash, log_index)
);
COMMENT ON TABLE contract_event IS 'Events of followed contracts, read out of proven receipts.';
CREATE INDEX contract_event_newest
    ON contract_event (chain_id, contract, name, block_number, log_index) WHERE canonical;
CREATE INDEX contract_event_arguments ON contract_event USING gin (arguments jsonb_path_ops);
ALTER TABLE orders
    ADD COLUMN rate_source text NOT NULL DEFAULT 'fixed',
    ADD COLUMN rate_updated_at bigint;
CREATE INDEX transfer_supply ON transfer (chain_id, block_number)
    WHERE sender = '\\x0000000000000000000000000000000000000000'::bytea
       OR recipient = '\\x0000000000000000000000000000000000000000'::bytea;
COMMENT ON TABLE payment_proof IS
    'Merkle proofs of what pays orders or mints batches, as JSON; null where too large.'
"""


def upgrade() -> None:
    """Create the tables; an order says from now on where its rate came from."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
