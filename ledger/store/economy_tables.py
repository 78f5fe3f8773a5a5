"""The tables of what the milk economy's contracts said, and of what payers signed for them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ledger.store.tables import TIMESTAMP, UINT256, metadata

followed_contract = Table(
    "followed_contract",
    metadata,
    Column("chain_id", BigInteger, ForeignKey("chain.chain_id"), nullable=False),
    Column("contract", Text, nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("since_number", BigInteger, nullable=False),
    PrimaryKeyConstraint("chain_id", "contract"),
    comment="Contracts beside the token whose events we keep, and from which block on.",
)

contract_event = Table(
    "contract_event",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("block_hash", LargeBinary, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("tx_index", Integer, nullable=False),
    Column("tx_hash", LargeBinary, nullable=False),
    Column("contract", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("arguments", JSONB, nullable=False),
    Column("canonical", Boolean, nullable=False),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index"),
    Index(
        "contract_event_newest",
        "chain_id",
        "contract",
        "name",
        "block_number",
        "log_index",
        postgresql_where=text("canonical"),
    ),
    Index(
        "contract_event_arguments",
        "arguments",
        postgresql_using="gin",
        postgresql_ops={"arguments": "jsonb_path_ops"},
    ),
    comment="Events of followed contracts, read out of proven receipts.",
)

standing_order = Table(
    "standing_order",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("order_hash", LargeBinary, nullable=False),
    Column("contract", LargeBinary, nullable=False),
    Column("payer", LargeBinary, nullable=False),
    Column("merchant", LargeBinary, nullable=False),
    Column("into_vaults", Boolean, nullable=False),
    Column("litres", UINT256, nullable=False),
    Column("period_seconds", BigInteger, nullable=False),
    Column("price_mode", Integer, nullable=False),
    Column("fixed_price", UINT256, nullable=False),
    Column("max_price", UINT256, nullable=False),
    Column("rate", UINT256, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("nonce", UINT256, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("registered_at", TIMESTAMP, nullable=False),
    PrimaryKeyConstraint("chain_id", "order_hash"),
    Index("standing_order_account", "account_id", "registered_at"),
    comment="What payers signed to be collected period by period; the contract has the last word.",
)

collection_attempt = Table(
    "collection_attempt",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("order_hash", LargeBinary, nullable=False),
    Column("period", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("tx_hash", LargeBinary),
    Column("tx_nonce", BigInteger),
    Column("promised_wei", UINT256, nullable=False, server_default=text("0")),
    Column("attempted_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(
        ["chain_id", "order_hash"], ["standing_order.chain_id", "standing_order.order_hash"]
    ),
    Index("collection_attempt_order", "chain_id", "order_hash", "id"),
    Index("collection_attempt_time", "attempted_at"),
    comment="What the keeper did about a standing order, and why not; never changed.",
)
