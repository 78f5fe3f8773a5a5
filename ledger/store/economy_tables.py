"""The tables of what the milk economy's contracts said, and of what payers signed for them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ledger.store.tables import metadata

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
