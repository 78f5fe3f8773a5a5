"""The tables of loyalty: points are moved by postings and by nothing else."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ledger.store.tables import TIMESTAMP, metadata

loyalty_account = Table(
    "loyalty_account",
    metadata,
    Column("customer", LargeBinary, primary_key=True),
    Column("points", BigInteger, nullable=False),
    Column("coupons_made", Integer, nullable=False),
    comment="A customer's balance, a cache of the postings; its row lock orders whoever moves it.",
)

coupon = Table(
    "coupon",
    metadata,
    Column("id", Text, primary_key=True),
    Column("customer", LargeBinary, ForeignKey("loyalty_account.customer"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("made_at", TIMESTAMP, nullable=False),
    Column("voided_at", TIMESTAMP),
    Column("used_at", TIMESTAMP),
    Column("used_by", Text),
    UniqueConstraint("customer", "number"),
    CheckConstraint("status IN ('usable', 'used', 'voided')", name="coupon_status_check"),
    CheckConstraint("(status = 'used') = (used_at IS NOT NULL)", name="coupon_used_check"),
    CheckConstraint("(status = 'voided') = (voided_at IS NOT NULL)", name="coupon_voided_check"),
    Index("coupon_usable", "customer", "number", postgresql_where=text("status = 'usable'")),
    comment="Free milks: made of points, used once, voided when their points were taken back.",
)

posting = Table(
    "posting",
    metadata,
    Column("seq", BigInteger, ForeignKey("event.seq"), primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("customer", LargeBinary, ForeignKey("loyalty_account.customer"), nullable=False),
    Column("points", Integer, nullable=False),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    Column("coupon_id", Text, ForeignKey("coupon.id")),
    CheckConstraint("points > 0", name="posting_points_check"),
    CheckConstraint(
        "kind IN ('earn', 'void') AND debit = 'programme' AND credit = 'customer'"
        " OR kind IN ('reverse', 'redeem') AND debit = 'customer' AND credit = 'programme'",
        name="posting_accounts_check",
    ),
    CheckConstraint(
        "(coupon_id IS NOT NULL) = (kind IN ('redeem', 'void'))", name="posting_coupon_check"
    ),
    Index("posting_order_id", "order_id"),
    Index("posting_customer", "customer", "seq"),
    comment="Append-only: points leave the account `debit` for `credit`; told by event `seq`.",
)
