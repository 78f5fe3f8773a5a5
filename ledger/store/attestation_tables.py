"""The table of the attestations that the oracle has signed."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text

from ledger.store.tables import TIMESTAMP, metadata

attestation = Table(
    "attestation",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("verifier", LargeBinary, nullable=False),
    Column("signer", LargeBinary, nullable=False),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    Column("tx_hash", LargeBinary, nullable=False),
    Column("block_hash", LargeBinary, nullable=False),
    Column("finality", Text, nullable=False),
    Column("consumer", LargeBinary, nullable=False),
    Column("account_id", Text),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Index("attestation_order_id", "order_id"),
    comment="What the oracle has signed, and for whom: what is not here, a stolen key has signed.",
)
