"""Refunds, and what payers and stores may have released that is not final."""

from alembic import op

revision = "0010"
down_revision = "0009"

_STATEMENTS = (
    """
ALTER TABLE orders
    ADD COLUMN policy_reason text NOT NULL DEFAULT 'amount',
    ADD COLUMN payer bytea,
    ADD COLUMN payer_exposure_limit bigint,
    ADD COLUMN store_exposure_limit bigint,
    ADD COLUMN amount_refunded numeric(78, 0) NOT NULL DEFAULT 0,
    ADD COLUMN amount_repaid numeric(78, 0) NOT NULL DEFAULT 0
""",
    """
CREATE TABLE refund (
    id text PRIMARY KEY,
    chain_id bigint NOT NULL,
    order_id text NOT NULL REFERENCES orders,
    account_id text NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    note text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    recipient bytea NOT NULL,
    since_number bigint NOT NULL,
    created_at timestamptz NOT NULL,
    status text NOT NULL,
    tx_hash bytea,
    tx_seq bigint,
    seen_number bigint,
    cancelled_at timestamptz,
    verified_at timestamptz,
    settled_at timestamptz,
    version bigint NOT NULL
)
""",
    """
CREATE INDEX refund_order_id ON refund (order_id, id)
""",
    """
CREATE INDEX refund_status ON refund (status, id)
""",
    """
CREATE INDEX refund_awaiting_chain ON refund (chain_id, tx_hash)
    WHERE tx_hash IS NOT NULL AND status <> 'settled'
""",
    """
COMMENT ON TABLE refund IS
    'What is given back of an order; its status follows from its transactions and claims.'
""",
    """
CREATE TABLE refund_transaction (
    seq bigint PRIMARY KEY,
    refund_id text NOT NULL REFERENCES refund,
    tx_hash bytea NOT NULL,
    account_id text NOT NULL,
    recorded_at timestamptz NOT NULL
)
""",
    """
CREATE INDEX refund_transaction_refund_id ON refund_transaction (refund_id, seq)
""",
    """
COMMENT ON TABLE refund_transaction IS
    'Who recorded which transaction for a refund, by event number; the newest counts.'
""",
    """
CREATE TABLE refund_claim (
    chain_id bigint NOT NULL,
    block_hash bytea NOT NULL,
    log_index integer NOT NULL,
    refund_id text NOT NULL REFERENCES refund,
    PRIMARY KEY (chain_id, block_hash, log_index),
    FOREIGN KEY (chain_id, block_hash, log_index) REFERENCES transfer
)
""",
    """
CREATE INDEX refund_claim_refund_id ON refund_claim (refund_id)
""",
    """
COMMENT ON TABLE refund_claim IS
    'The transfer that proves a refund; the primary key lets it prove one only.'
""",
    """
CREATE TABLE refund_entry (
    seq bigint PRIMARY KEY,
    refund_id text NOT NULL REFERENCES refund,
    order_id text NOT NULL REFERENCES orders,
    debit text NOT NULL,
    credit text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    account_id text NOT NULL,
    note text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT refund_entry_accounts_check CHECK (debit <> credit)
)
""",
    """
CREATE INDEX refund_entry_refund_id ON refund_entry (refund_id, seq)
""",
    """
CREATE INDEX refund_entry_order_id ON refund_entry (order_id, seq)
""",
    """
COMMENT ON TABLE refund_entry IS
    'The books of refunds, double-entry and append-only, by event number.'
""",
    """
CREATE TABLE exposure_entry (
    chain_id bigint NOT NULL,
    scope text NOT NULL,
    subject bytea NOT NULL,
    number bigint NOT NULL,
    seq bigint NOT NULL,
    amount_myr bigint NOT NULL,
    PRIMARY KEY (chain_id, scope, subject, number, seq)
)
""",
    """
COMMENT ON TABLE exposure_entry IS
    'What a payer or store has released at inclusion by block, in sen; append-only.'
""",
    """
CREATE FUNCTION refund_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the books of refunds are only ever appended to'
        USING ERRCODE = 'insufficient_privilege';
END
$$
""",
    """
CREATE TRIGGER refund_entry_kept BEFORE UPDATE OR DELETE ON refund_entry
    FOR EACH ROW EXECUTE FUNCTION refund_refuse()
""",
    """
CREATE TRIGGER refund_entry_not_emptied BEFORE TRUNCATE ON refund_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refund_refuse()
""",
    """
CREATE TRIGGER refund_transaction_kept BEFORE UPDATE OR DELETE ON refund_transaction
    FOR EACH ROW EXECUTE FUNCTION refund_refuse()
""",
    """
CREATE TRIGGER refund_transaction_not_emptied BEFORE TRUNCATE ON refund_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION refund_refuse()
""",
)


def upgrade() -> None:
    """Create the tables, one statement at a time as the driver wants them."""
    for statement in _STATEMENTS:
        op.execute(statement)
