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
CREATE TABLE standing_order (
    chain_id bigint NOT NULL,
    order_hash bytea NOT NULL,
    contract bytea NOT NULL,
    payer bytea NOT NULL,
    merchant bytea NOT NULL,
    into_vaults boolean NOT NULL,
    litres numeric(78, 0) NOT NULL,
    period_seconds bigint NOT NULL,
    price_mode integer NOT NULL,
    fixed_price numeric(78, 0) NOT NULL,
    max_price numeric(78, 0) NOT NULL,
    rate numeric(78, 0) NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    nonce numeric(78, 0) NOT NULL,
    signature bytea NOT NULL,
    account_id text NOT NULL,
    registered_at timestamptz NOT NULL,
    PRIMARY KEY (chain_id, order_hash)
);
CREATE INDEX standing_order_account ON standing_order (account_id, registered_at);
COMMENT ON TABLE standing_order IS
    'What payers signed to be collected period by period; the contract has the last word.';
CREATE TABLE collection_attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain_id bigint NOT NULL,
    order_hash bytea NOT NULL,
    period bigint NOT NULL,
    outcome text NOT NULL,
    reason text,
    tx_hash bytea,
    tx_nonce bigint,
    promised_wei numeric(78, 0) NOT NULL DEFAULT 0,
    attempted_at timestamptz NOT NULL,
    FOREIGN KEY (chain_id, order_hash) REFERENCES standing_order
);
CREATE INDEX collection_attempt_order ON collection_attempt (chain_id, order_hash, id);
CREATE INDEX collection_attempt_time ON collection_attempt (attempted_at);
COMMENT ON TABLE collection_attempt IS
    'What the keeper did about a standing order, and why not; never changed.';
COMMENT ON TABLE payment_proof IS
    'Merkle proofs of what pays orders or mints batches, as JSON; null where too large.'
"""


def upgrade() -> None:
    """Create the tables; an order says from now on where its rate came from."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
