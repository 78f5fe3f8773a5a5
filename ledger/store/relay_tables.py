"""The tables of the relay, which broadcasts authorisations for wallets without gas."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

_UINT256 = Numeric(78, 0)
_TIMESTAMP = DateTime(timezone=True)


def add_relay_tables(metadata: MetaData) -> None:
    """Describe the relay's tables beside those that they refer to."""
    _add_relayer(metadata)
    _add_submission(metadata)
    _add_transaction(metadata)


def _add_relayer(metadata: MetaData) -> None:
    Table(
        "relayer",
        metadata,
        Column("chain_id", BigInteger, nullable=False),
        Column("address", LargeBinary, nullable=False),
        Column("next_nonce", BigInteger, nullable=False),
        PrimaryKeyConstraint("chain_id", "address"),
        comment="The next nonce of each account that pays gas: whoever locks its row signs.",
    )


def _add_submission(metadata: MetaData) -> None:
    Table(
        "relay_submission",
        metadata,
        Column("id", Text, primary_key=True),
        Column("chain_id", BigInteger, nullable=False),
        Column("token", LargeBinary, nullable=False),
        Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
        Column("owner", LargeBinary, nullable=False),
        Column("recipient", LargeBinary, nullable=False),
        Column("amount", _UINT256, nullable=False),
        Column("valid_after", BigInteger, nullable=False),
        Column("valid_before", BigInteger, nullable=False),
        Column("authorization_nonce", LargeBinary, nullable=False),
        Column("signature", LargeBinary, nullable=False),
        Column("relayer", LargeBinary, nullable=False),
        Column("seen_number", BigInteger, nullable=False),
        Column("created_at", _TIMESTAMP, nullable=False),
        Column("status", Text, nullable=False),
        Column("tx_hash", LargeBinary, nullable=False),
        Column("is_foreign", Boolean, nullable=False, server_default=text("false")),
        Column("block_number", BigInteger),
        Column("block_hash", LargeBinary),
        Column("promised_wei", _UINT256, nullable=False),
        Column("cost_wei", _UINT256),
        Column("closed_at", _TIMESTAMP),
        UniqueConstraint(
            *("chain_id", "token", "owner", "authorization_nonce"),
            name="relay_submission_authorization",
        ),
        Index(
            "relay_submission_open",
            "chain_id",
            "id",
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("relay_submission_order", "order_id"),
        Index("relay_submission_created", "created_at"),
        comment="Authorisations taken over for broadcasting; "
        "the unique constraint takes each over once.",
    )


def _add_transaction(metadata: MetaData) -> None:
    Table(
        "relay_transaction",
        metadata,
        Column("chain_id", BigInteger, nullable=False),
        Column("tx_hash", LargeBinary, nullable=False),
        Column("relayer", LargeBinary, nullable=False),
        Column("tx_nonce", BigInteger, nullable=False),
        Column("submission_id", Text, ForeignKey("relay_submission.id")),
        Column("raw", LargeBinary, nullable=False),
        Column("gas_limit", BigInteger, nullable=False),
        Column("max_fee_wei", _UINT256, nullable=False),
        Column("tip_wei", _UINT256, nullable=False),
        Column("signed_number", BigInteger, nullable=False),
        Column("created_at", _TIMESTAMP, nullable=False),
        PrimaryKeyConstraint("chain_id", "tx_hash"),
        Index("relay_transaction_nonce", "chain_id", "relayer", "tx_nonce", "max_fee_wei"),
        Index("relay_transaction_submission", "submission_id"),
        comment="Every transaction ever signed by a relayer, written before it is sent; "
        "never changed.",
    )
