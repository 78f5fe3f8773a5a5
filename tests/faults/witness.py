"""A witness inside the database: every commit that matters, in order, whoever made it."""

from dataclasses import dataclass

from ledger.store.pool import Connection

CALL = """
CREATE TABLE witness (
    n bigserial PRIMARY KEY, kind text NOT NULL, order_id text, tip_hash bytea,
    safe_number bigint, finalized_number bigint, customer bytea, coupon_number integer
);
CREATE FUNCTION witness_chain() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness (kind, tip_hash, safe_number, finalized_number)
    VALUES ('chain', NEW.tip_hash, NEW.safe_number, NEW.finalized_number);
    RETURN NULL;
END $$;
CREATE FUNCTION witness_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness (kind, order_id) VALUES (TG_ARGV[0], NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION witness_coupon() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness (kind, customer, coupon_number) VALUES ('used', NEW.customer, NEW.number);
    RETURN NULL;
END $$;
CREATE TRIGGER witness_used AFTER UPDATE OF used_at ON coupon
    FOR EACH ROW EXECUTE FUNCTION witness_coupon();
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON chain
    FOR EACH ROW EXECUTE FUNCTION witness_chain();
CREATE TRIGGER witness_created AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION witness_order('created');
CREATE TRIGGER witness_cancelled AFTER UPDATE OF cancelled_at ON orders
    FOR EACH ROW EXECUTE FUNCTION witness_order('cancelled');
"""

READ = """
SELECT n, kind, order_id, tip_hash, safe_number, finalized_number, customer, coupon_number
FROM witness
WHERE n > $1 ORDER BY n
"""

# On tables this small, deleting is twenty times as fast as truncating.
EMPTY = """
DELETE FROM witness; DELETE FROM posting; DELETE FROM coupon; DELETE FROM loyalty_account;
DELETE FROM exposure_entry; DELETE FROM event; DELETE FROM payment; DELETE FROM transfer;
DELETE FROM block; DELETE FROM orders; DELETE FROM observation; DELETE FROM chain;
UPDATE journal SET last_seq = 0;
"""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One committed change: of the cursor, an order's creation or cancellation, a coupon's use."""

    n: int
    kind: str
    order_id: str | None
    tip_hash: bytes | None
    safe_number: int | None
    finalized_number: int | None
    customer: bytes | None
    coupon_number: int | None


async def call_witness(connection: Connection) -> None:
    """Let the database note commits from now on."""
    await connection.execute(CALL)


async def read_sightings(connection: Connection, after: int) -> list[Sighting]:
    """What was committed after sighting `after`."""
    return [Sighting(*row) for row in await connection.fetch(READ, after)]


async def empty_ledger(connection: Connection) -> None:
    """Make the database as new, for the next history."""
    await connection.execute(EMPTY)
