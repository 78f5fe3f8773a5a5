"""The tables of the audit log and of flags."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, LargeBinary, Table, Text
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import JSONB

from ledger.store.tables import TIMESTAMP, metadata

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", TIMESTAMP, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("request_id", Text),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("audit_entry_subject", "subject", "seq"),
    Index("audit_entry_actor", "actor", "seq"),
    comment="Who did what to what; each entry commits to the one before it.",
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=sql_text("true")),
    Column("last_seq", BigInteger, nullable=False),
    Column("last_hash", LargeBinary, nullable=False),
    CheckConstraint("only_row", name="audit_head_only_row_check"),
    comment="The last entry of the audit log; its row lock gives entries their order.",
)

flag = Table(
    "flag",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("raised_at", TIMESTAMP, nullable=False),
    Column("last_seen_at", TIMESTAMP, nullable=False),
    Column("alerted_at", TIMESTAMP),
    Column("acknowledged_at", TIMESTAMP),
    Column("acknowledged_by", Text),
    Column("cleared_at", TIMESTAMP),
    Column("cleared_by", Text),
    Column("note", Text),
    Index(
        "flag_standing",
        "subject",
        "reason",
        unique=True,
        postgresql_where=sql_text("status <> 'cleared'"),
    ),
    Index("flag_status", "status", "id"),
    comment="Callers who behave oddly, for an admin to look at; at most one standing for each "
    "reason.",
)
