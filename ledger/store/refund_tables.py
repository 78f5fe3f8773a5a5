"""The tables of refunds, and of what is released and not final."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from ledger.store.tables import TIMESTAMP, UINT256, metadata

refund = Table(
    "refund",
    metadata,
    Column("id", Text, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    Column("account_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("amount", UINT256, nullable=False),
    Column("recipient", LargeBinary, nullable=False),
    Column("since_number", BigInteger, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("status", Text, nullable=False),
    Column("tx_hash", LargeBinary),
    Column("tx_seq", BigInteger),
    Column("seen_number", BigInteger),
    Column("cancelled_at", TIMESTAMP),
    Column("verified_at", TIMESTAMP),
    Column("settled_at", TIMESTAMP),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("amount > 0", name="refund_amount_check"),
    Index("refund_order_id", "order_id", "id"),
    Index("refund_status", "status", "id"),
    Index(
        "refund_awaiting_chain",
        "chain_id",
        "tx_hash",
        postgresql_where=text("tx_hash IS NOT NULL AND status <> 'settled'"),
    ),
    comment="What is given back of an order; its status follows from its transactions and claims.",
)

refund_transaction = Table(
    "refund_transaction",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("refund_id", Text, ForeignKey("refund.id"), nullable=False),
    Column("tx_hash", LargeBinary, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("recorded_at", TIMESTAMP, nullable=False),
    Index("refund_transaction_refund_id", "refund_id", "seq"),
    comment="Who recorded which transaction for a refund, by event number; the newest counts.",
)

refund_claim = Table(
    "refund_claim",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("block_hash", LargeBinary, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("refund_id", Text, ForeignKey("refund.id"), nullable=False),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index"),
    ForeignKeyConstraint(
        ["chain_id", "block_hash", "log_index"],
        ["transfer.chain_id", "transfer.block_hash", "transfer.log_index"],
    ),
    Index("refund_claim_refund_id", "refund_id"),
    comment="The transfer that proves a refund; the primary key lets it prove one only.",
)

refund_entry = Table(
    "refund_entry",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("refund_id", Text, ForeignKey("refund.id"), nullable=False),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("amount", UINT256, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    CheckConstraint("amount > 0", name="refund_entry_amount_check"),
    CheckConstraint("debit <> credit", name="refund_entry_accounts_check"),
    Index("refund_entry_refund_id", "refund_id", "seq"),
    Index("refund_entry_order_id", "order_id", "seq"),
    comment="The books of refunds, double-entry and append-only, by event number.",
)

exposure_entry = Table(
    "exposure_entry",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("scope", Text, nullable=False),
    Column("subject", LargeBinary, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("amount_myr", BigInteger, nullable=False),
    PrimaryKeyConstraint("chain_id", "scope", "subject", "number", "seq"),
    comment="What a payer or store has released at inclusion by block, in sen; append-only.",
)
