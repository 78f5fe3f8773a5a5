"""Loyalty: whose an order is, and the points that its payment earns."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = """
ALTER TABLE orders ADD COLUMN customer bytea;
CREATE INDEX orders_customer ON orders (customer, id) WHERE customer IS NOT NULL;

CREATE TABLE loyalty_account (
    customer bytea PRIMARY KEY,
    points bigint NOT NULL,
    coupons_made integer NOT NULL
);
COMMENT ON TABLE loyalty_account IS
    'A customer''s balance, a cache of the postings; its row lock orders whoever moves it.';

CREATE TABLE coupon (
    id text PRIMARY KEY,
    customer bytea NOT NULL REFERENCES loyalty_account,
    number integer NOT NULL,
    order_id text NOT NULL REFERENCES orders,
    status text NOT NULL,
    made_at timestamptz NOT NULL,
    voided_at timestamptz,
    used_at timestamptz,
    used_by text,
    used_key text,
    UNIQUE (customer, number),
    CONSTRAINT coupon_status_check CHECK (status IN ('usable', 'used', 'voided')),
    CONSTRAINT coupon_used_check CHECK ((status = 'used') = (used_at IS NOT NULL)),
    CONSTRAINT coupon_voided_check CHECK ((status = 'voided') = (voided_at IS NOT NULL))
);
CREATE INDEX coupon_usable ON coupon (customer, number) WHERE status = 'usable';
COMMENT ON TABLE coupon IS
    'Free milks: made of points, used once, voided when their points were taken back.';

CREATE TABLE posting (
    seq bigint PRIMARY KEY REFERENCES event,
    kind text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    customer bytea NOT NULL REFERENCES loyalty_account,
    points integer NOT NULL,
    order_id text NOT NULL REFERENCES orders,
    coupon_id text REFERENCES coupon,
    CONSTRAINT posting_points_check CHECK (points > 0),
    CONSTRAINT posting_accounts_check CHECK (
        kind IN ('earn', 'void') AND debit = 'programme' AND credit = 'customer'
        OR kind IN ('reverse', 'redeem') AND debit = 'customer' AND credit = 'programme'
    ),
    CONSTRAINT posting_coupon_check CHECK (
        (coupon_id IS NOT NULL) = (kind IN ('redeem', 'void'))
    )
);
CREATE INDEX posting_order_id ON posting (order_id);
CREATE INDEX posting_customer ON posting (customer, seq);
COMMENT ON TABLE posting IS
    'Append-only: points leave the account `debit` for `credit`; told by event `seq`.'
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
