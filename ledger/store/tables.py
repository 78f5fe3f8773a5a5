"""The tables, as SQLAlchemy Core describes them; migrations/ must agree, which a test checks."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ledger.store.relay_tables import add_relay_tables

metadata = MetaData()

UINT256 = Numeric(78, 0)
TIMESTAMP = DateTime(timezone=True)

chain = Table(
    "chain",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("token", LargeBinary, nullable=False),
    Column("vault_factory", LargeBinary, nullable=False),
    Column("vault_implementation", LargeBinary, nullable=False),
    Column("treasury", LargeBinary, nullable=False),
    Column("start_number", BigInteger, nullable=False),
    Column("tip_number", BigInteger, nullable=False),
    Column("tip_hash", LargeBinary, nullable=False),
    Column("tip_timestamp", BigInteger, nullable=False),
    Column("safe_number", BigInteger, nullable=False),
    Column("finalized_number", BigInteger, nullable=False),
    Column("finalized_hash", LargeBinary, nullable=False),
    comment="One row: what we follow, and how far the ledger stands (the cursor).",
)

observation = Table(
    "observation",
    metadata,
    Column("chain_id", BigInteger, ForeignKey("chain.chain_id"), primary_key=True),
    Column("head_number", BigInteger, nullable=False),
    Column("nodes_agreeing", Integer, nullable=False),
    Column("nodes_asked", Integer, nullable=False),
    Column("checked_at", TIMESTAMP, nullable=False),
    Column("halt_code", Text),
    Column("halt_reason", Text),
    Column("verification", Text, nullable=False, server_default=text("'full'")),
    comment="What the nodes said last, and whether the indexer has halted.",
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("chain_id", BigInteger, ForeignKey("chain.chain_id"), nullable=False),
    Column("source", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("caught_at", TIMESTAMP, nullable=False),
    Index("evidence_newest", "chain_id", "id"),
    comment="What nodes were caught with, the newest thousand.",
)

block = Table(
    "block",
    metadata,
    Column("chain_id", BigInteger, ForeignKey("chain.chain_id"), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("parent_hash", LargeBinary, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("transactions_root", LargeBinary, nullable=False),
    Column("receipts_root", LargeBinary, nullable=False),
    Column("canonical", Boolean, nullable=False),
    PrimaryKeyConstraint("chain_id", "hash"),
    Index(
        "block_canonical_number",
        "chain_id",
        "number",
        unique=True,
        postgresql_where=text("canonical"),
    ),
    comment="Proven blocks; a retracted one stays, no longer canonical.",
)

transfer = Table(
    "transfer",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("block_hash", LargeBinary, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("tx_index", Integer, nullable=False),
    Column("tx_hash", LargeBinary, nullable=False),
    Column("sender", LargeBinary, nullable=False),
    Column("recipient", LargeBinary, nullable=False),
    Column("amount", UINT256, nullable=False),
    Column("canonical", Boolean, nullable=False),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index"),
    # No foreign key to block: looking each row's block up costs history a tenth of its speed, and
    # both are written out of the same proven block. `replay-check` looks for orphans.
    CheckConstraint("amount >= 0", name="transfer_amount_check"),
    Index("transfer_tx_hash", "tx_hash", postgresql_using="hash"),
    Index(
        "transfer_supply",
        "chain_id",
        "block_number",
        postgresql_where=text(
            r"sender = '\x0000000000000000000000000000000000000000'::bytea"
            r" OR recipient = '\x0000000000000000000000000000000000000000'::bytea"
        ),
    ),
    comment="Transfers of BILL, read out of proven receipts.",
)

orders = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("store_id", Text, nullable=False),
    Column("reference", Text),
    Column("items", JSONB, nullable=False),
    Column("amount_myr", BigInteger, nullable=False),
    Column("rate_myr_per_bill", Numeric(20, 8), nullable=False),
    Column("amount_due", UINT256, nullable=False),
    Column("address", LargeBinary, nullable=False, unique=True),
    Column("required_finality", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("cancelled_at", TIMESTAMP),
    Column("paid_at", TIMESTAMP),
    Column("settled_at", TIMESTAMP),
    Column("status", Text, nullable=False),
    Column("amount_received", UINT256, nullable=False),
    Column("amount_owed_back", UINT256, nullable=False),
    Column("covering_number", BigInteger),
    Column("version", BigInteger, nullable=False),
    Column("account_id", Text, ForeignKey("account.id")),
    Column("customer", LargeBinary),
    Column("policy_reason", Text, nullable=False, server_default=text("'amount'::text")),
    Column("payer", LargeBinary),
    Column("payer_exposure_limit", BigInteger),
    Column("store_exposure_limit", BigInteger),
    Column("amount_refunded", UINT256, nullable=False, server_default=text("0")),
    Column("amount_repaid", UINT256, nullable=False, server_default=text("0")),
    Column("rate_source", Text, nullable=False, server_default=text("'fixed'")),
    Column("rate_updated_at", BigInteger),
    CheckConstraint("amount_due > 0", name="orders_amount_due_check"),
    CheckConstraint("amount_myr > 0", name="orders_amount_myr_check"),
    Index("orders_status", "status", "id"),
    Index("orders_store_id", "store_id", "status", "id"),
    Index(
        "orders_account_id",
        "account_id",
        "id",
        postgresql_where=text("account_id IS NOT NULL"),
    ),
    Index("orders_customer", "customer", "id", postgresql_where=text("customer IS NOT NULL")),
    Index(
        "orders_awaiting_depth",
        "chain_id",
        "covering_number",
        postgresql_where=text("status IN ('detected', 'paid')"),
    ),
    Index(
        "orders_awaiting_expiry",
        "chain_id",
        "expires_at",
        postgresql_where=text("status IN ('awaiting_payment', 'underpaid', 'expired')"),
    ),
    comment="What tills ask to be paid; times of the chain in Unix seconds, amount_myr in sen.",
)

payment = Table(
    "payment",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("block_hash", LargeBinary, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index"),
    ForeignKeyConstraint(
        ["chain_id", "block_hash", "log_index"],
        ["transfer.chain_id", "transfer.block_hash", "transfer.log_index"],
    ),
    Index("payment_order_id", "order_id"),
    comment="A transfer's claim by an order; the primary key lets it be claimed once.",
)

journal = Table(
    "journal",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("last_seq", BigInteger, nullable=False),
    CheckConstraint("only_row", name="journal_only_row_check"),
    comment="The last event's number; its row lock makes events visible in order, without gaps.",
)

event = Table(
    "event",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    Column("data", JSONB, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Index("event_order_id", "order_id", "seq"),
    comment="The append-only journal that tills and partners see.",
)

payment_proof = Table(
    "payment_proof",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("tx_hash", LargeBinary, nullable=False),
    Column("block_hash", LargeBinary, nullable=False),
    Column("document", LargeBinary),
    PrimaryKeyConstraint("chain_id", "tx_hash", "block_hash"),
    ForeignKeyConstraint(["chain_id", "block_hash"], ["block.chain_id", "block.hash"]),
    comment="Merkle proofs of what pays orders or mints batches, as JSON; null where too large.",
)

add_relay_tables(metadata)
