"""The tables of accounts, their credentials, their wallets and their repeated requests."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from ledger.store.tables import TIMESTAMP, metadata

account = Table(
    "account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("roles", ARRAY(Text), nullable=False),
    Column("store_id", Text),
    Column("password_hash", Text),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("disabled_at", TIMESTAMP),
    Column("tokens_valid_from", TIMESTAMP, nullable=False),
    CheckConstraint("cardinality(roles) > 0", name="account_roles_check"),
    CheckConstraint(
        "store_id IS NOT NULL OR NOT roles @> ARRAY['till']", name="account_till_store_check"
    ),
    comment="Who may use the oracle, made by the office; acc_open is everybody while access is "
    "open.",
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("account.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("ending", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("expires_at", TIMESTAMP, nullable=False),
    Column("revoked_at", TIMESTAMP),
    Column("last_used_at", TIMESTAMP),
    CheckConstraint("cardinality(scopes) > 0", name="api_key_scopes_check"),
    Index("api_key_account_id", "account_id", "id"),
    comment="Keys of programs; only their SHA-256 is kept.",
)

session = Table(
    "session",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("account.id"), nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("expires_at", TIMESTAMP, nullable=False),
    Column("revoked_at", TIMESTAMP),
    Column("revoked_reason", Text),
    Index("session_account_id", "account_id", "id"),
    Index("session_expires_at", "expires_at"),
    comment="A sign-in and the family of refresh tokens that followed from it.",
)

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("session_id", Text, ForeignKey("session.id", ondelete="CASCADE"), nullable=False),
    Column("issued_at", TIMESTAMP, nullable=False),
    Column("used_at", TIMESTAMP),
    Index("refresh_token_session_id", "session_id"),
    comment="Refresh tokens by their SHA-256; each is used once.",
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request_digest", LargeBinary, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("claimed_at", TIMESTAMP, nullable=False),
    PrimaryKeyConstraint("account_id", "key"),
    Index("idempotency_claimed_at", "claimed_at"),
    comment="What a repeated request made the first time; a key is free again after a day.",
)

wallet_challenge = Table(
    "wallet_challenge",
    metadata,
    Column("nonce", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("account.id"), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("expires_at", TIMESTAMP, nullable=False),
    Index("wallet_challenge_expires_at", "expires_at"),
    Index("wallet_challenge_account_id", "account_id"),
    comment="Sign-In with Ethereum messages that wait for their signature; taken once.",
)

wallet = Table(
    "wallet",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("account.id"), nullable=False),
    Column("address_sealed", LargeBinary, nullable=False),
    Column("address_key_id", Text, nullable=False),
    Column("address_digest", LargeBinary, nullable=False, unique=True),
    Column("linked_at", TIMESTAMP, nullable=False),
    Index("wallet_account_id", "account_id", "id"),
    Index("wallet_address_key_id", "address_key_id", "id"),
    comment="Linked wallets: the address encrypted, and a keyed hash of it for look-up.",
)
