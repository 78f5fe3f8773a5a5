"""The ledger: chain cursor, proven blocks and transfers, orders, payments, journal."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = """
CREATE TABLE chain (
    chain_id bigint PRIMARY KEY,
    token bytea NOT NULL,
    vault_factory bytea NOT NULL,
    vault_implementation bytea NOT NULL,
    treasury bytea NOT NULL,
    start_number bigint NOT NULL,
    tip_number bigint NOT NULL,
    tip_hash bytea NOT NULL,
    tip_timestamp bigint NOT NULL,
    safe_number bigint NOT NULL,
    finalized_number bigint NOT NULL,
    finalized_hash bytea NOT NULL
);
COMMENT ON TABLE chain IS
    'One row: what we follow, and how far the ledger stands (the cursor).';

CREATE TABLE observation (
    chain_id bigint PRIMARY KEY REFERENCES chain,
    head_number bigint NOT NULL,
    nodes_agreeing integer NOT NULL,
    nodes_asked integer NOT NULL,
    checked_at timestamptz NOT NULL,
    halt_code text,
    halt_reason text
);
COMMENT ON TABLE observation IS 'What the nodes said last, and whether the indexer has halted.';

CREATE TABLE block (
    chain_id bigint NOT NULL REFERENCES chain,
    hash bytea NOT NULL,
    number bigint NOT NULL,
    parent_hash bytea NOT NULL,
    "timestamp" bigint NOT NULL,
    transactions_root bytea NOT NULL,
    receipts_root bytea NOT NULL,
    canonical boolean NOT NULL,
    PRIMARY KEY (chain_id, hash)
);
CREATE UNIQUE INDEX block_canonical_number ON block (chain_id, number) WHERE canonical;
COMMENT ON TABLE block IS 'Proven blocks; a retracted one stays, no longer canonical.';

CREATE TABLE transfer (
    chain_id bigint NOT NULL,
    block_hash bytea NOT NULL,
    log_index integer NOT NULL,
    block_number bigint NOT NULL,
    tx_index integer NOT NULL,
    tx_hash bytea NOT NULL,
    sender bytea NOT NULL,
    recipient bytea NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
    canonical boolean NOT NULL,
    PRIMARY KEY (chain_id, block_hash, log_index)
);
CREATE INDEX transfer_tx_hash ON transfer (chain_id, tx_hash);
COMMENT ON TABLE transfer IS 'Transfers of BILL, read out of proven receipts.';

CREATE TABLE orders (
    id text PRIMARY KEY,
    chain_id bigint NOT NULL,
    store_id text NOT NULL,
    reference text,
    items jsonb NOT NULL,
    amount_myr bigint NOT NULL CHECK (amount_myr > 0),
    rate_myr_per_bill numeric(20, 8) NOT NULL,
    amount_due numeric(78, 0) NOT NULL CHECK (amount_due > 0),
    address bytea NOT NULL UNIQUE,
    required_finality text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at bigint NOT NULL,
    cancelled_at timestamptz,
    paid_at timestamptz,
    settled_at timestamptz,
    status text NOT NULL,
    amount_received numeric(78, 0) NOT NULL,
    amount_owed_back numeric(78, 0) NOT NULL,
    covering_number bigint,
    version bigint NOT NULL,
    idempotency_key text NOT NULL UNIQUE,
    request_digest bytea NOT NULL
);
CREATE INDEX orders_status ON orders (status, id);
CREATE INDEX orders_awaiting_depth ON orders (chain_id, covering_number)
    WHERE status IN ('detected', 'paid');
CREATE INDEX orders_awaiting_expiry ON orders (chain_id, expires_at)
    WHERE status IN ('awaiting_payment', 'underpaid', 'expired');
COMMENT ON TABLE orders IS
    'What tills ask to be paid; times of the chain in Unix seconds, amount_myr in sen.';

CREATE TABLE payment (
    chain_id bigint NOT NULL,
    block_hash bytea NOT NULL,
    log_index integer NOT NULL,
    order_id text NOT NULL REFERENCES orders,
    PRIMARY KEY (chain_id, block_hash, log_index),
    FOREIGN KEY (chain_id, block_hash, log_index) REFERENCES transfer
);
CREATE INDEX payment_order_id ON payment (order_id);
COMMENT ON TABLE payment IS
    'A transfer''s claim by an order; the primary key lets it be claimed once.';

CREATE TABLE journal (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_seq bigint NOT NULL
);
COMMENT ON TABLE journal IS
    'The last event''s number; its row lock makes events visible in order, without gaps.';

INSERT INTO journal (last_seq) VALUES (0);

CREATE TABLE event (
    seq bigint PRIMARY KEY,
    type text NOT NULL,
    order_id text NOT NULL REFERENCES orders,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX event_order_id ON event (order_id, seq);
COMMENT ON TABLE event IS 'The append-only journal that tills and partners see.'
"""


def upgrade() -> None:
    """Create the ledger, one statement at a time as the driver wants them."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
