"""The tables of webhooks: where partners want events, what was sent there and what became of it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from ledger.store.tables import TIMESTAMP, metadata

webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("account.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_reason", Text),
    Column("disabled_at", TIMESTAMP),
    Column("failing_since", TIMESTAMP),
    Column("cursor", BigInteger, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Index("webhook_endpoint_account", "account_id", "id"),
    comment="Where events are sent; everything of the journal up to the cursor has its delivery.",
)

webhook_secret = Table(
    "webhook_secret",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "endpoint_id", Text, ForeignKey("webhook_endpoint.id", ondelete="CASCADE"), nullable=False
    ),
    Column("kind", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("expires_at", TIMESTAMP),
    Index("webhook_secret_endpoint", "endpoint_id"),
    comment="What deliveries are signed with, encrypted; one that was rotated out still expires.",
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    Column(
        "endpoint_id", Text, ForeignKey("webhook_endpoint.id", ondelete="CASCADE"), nullable=False
    ),
    Column("event_seq", BigInteger, ForeignKey("event.seq")),
    Column("event_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("series", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("next_attempt_at", TIMESTAMP),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("finished_at", TIMESTAMP),
    UniqueConstraint("endpoint_id", "event_seq", name="webhook_delivery_event_key"),
    Index("webhook_delivery_log", "endpoint_id", "position"),
    Index(
        "webhook_delivery_due",
        "endpoint_id",
        "next_attempt_at",
        postgresql_where=text("status = 'pending'"),
    ),
    Index("webhook_delivery_created", "created_at"),
    comment="An event on its way to an endpoint; step counts a series' attempts.",
)

webhook_attempt = Table(
    "webhook_attempt",
    metadata,
    Column(
        "delivery_id", Text, ForeignKey("webhook_delivery.id", ondelete="CASCADE"), nullable=False
    ),
    Column("number", Integer, nullable=False),
    Column("began_at", TIMESTAMP, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status_code", Integer),
    Column("error", Text),
    PrimaryKeyConstraint("delivery_id", "number"),
    comment="What each attempt of a delivery met with.",
)
