"""Authorisations that the oracle broadcasts for wallets without gas."""

from alembic import op

revision = "0009"
down_revision = "0008"

_STATEMENTS = """
CREATE TABLE relayer (
    chain_id bigint NOT NULL,
    address bytea NOT NULL,
    next_nonce bigint NOT NULL,
    PRIMARY KEY (chain_id, address)
);
COMMENT ON TABLE relayer IS
    'The next nonce of each account that pays gas: whoever locks its row signs.';
CREATE TABLE relay_submission (
    id text PRIMARY KEY,
    chain_id bigint NOT NULL,
    token bytea NOT NULL,
    order_id text NOT NULL REFERENCES orders,
    owner bytea NOT NULL,
    recipient bytea NOT NULL,
    amount numeric(78, 0) NOT NULL,
    valid_after bigint NOT NULL,
    valid_before bigint NOT NULL,
    authorization_nonce bytea NOT NULL,
    signature bytea NOT NULL,
    relayer bytea NOT NULL,
    seen_number bigint NOT NULL,
    created_at timestamptz NOT NULL,
    status text NOT NULL,
    tx_hash bytea NOT NULL,
    is_foreign boolean NOT NULL DEFAULT false,
    block_number bigint,
    block_hash bytea,
    promised_wei numeric(78, 0) NOT NULL,
    cost_wei numeric(78, 0),
    closed_at timestamptz,
    CONSTRAINT relay_submission_authorization
        UNIQUE (chain_id, token, owner, authorization_nonce)
);
COMMENT ON TABLE relay_submission IS
    'Authorisations taken over for broadcasting; the unique constraint takes each over once.';
CREATE INDEX relay_submission_open ON relay_submission (chain_id, id) WHERE closed_at IS NULL;
CREATE INDEX relay_submission_order ON relay_submission (order_id);
CREATE INDEX relay_submission_created ON relay_submission (created_at);
CREATE TABLE relay_transaction (
    chain_id bigint NOT NULL,
    tx_hash bytea NOT NULL,
    relayer bytea NOT NULL,
    tx_nonce bigint NOT NULL,
    submission_id text REFERENCES relay_submission,
    raw bytea NOT NULL,
    gas_limit bigint NOT NULL,
    max_fee_wei numeric(78, 0) NOT NULL,
    tip_wei numeric(78, 0) NOT NULL,
    signed_number bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (chain_id, tx_hash)
);
COMMENT ON TABLE relay_transaction IS
    'Every transaction ever signed by a relayer, written before it is sent; never changed.';
CREATE INDEX relay_transaction_nonce
    ON relay_transaction (chain_id, relayer, tx_nonce, max_fee_wei);
CREATE INDEX relay_transaction_submission ON relay_transaction (submission_id)
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
