"""Puts what was built out of blocks in another schema in the place of ours, at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.journal import Event
from ledger.store.advance import CLAIM
from ledger.store.consequences import draw_consequences
from ledger.store.contract_events import follow_from_start
from ledger.store.cursor import Cursor, read_cursor
from ledger.store.pool import Connection
from ledger.store.refund_proofs import find_refunds

TABLES = ("block", "transfer", "contract_event")

CREATE_TABLE = """
CREATE TABLE "{schema}".{table}
(LIKE public.{table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS)
"""

TABLE_COMMENT = "SELECT quote_literal(obj_description($1::text::regclass, 'pg_class'))"

INDEXES = """
SELECT i.relname AS name, pg_get_indexdef(i.oid) AS definition, c.contype = 'p' AS is_primary
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype = 'p'
WHERE x.indrelid = $1::text::regclass
"""

# A table's grants do not come along with its form.
GRANTS = """
SELECT quote_ident(grantee) AS grantee, privilege_type AS privilege
FROM information_schema.role_table_grants
WHERE table_schema = 'public' AND table_name = $1 AND grantee <> current_user
"""

FOREIGN_KEYS = """
SELECT conname AS name, conrelid::regclass::text AS "table", pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE contype = 'f' AND (
    conrelid = ANY($1::text[]::regclass[]) OR confrelid = ANY($1::text[]::regclass[])
)
"""

# What cannot be had from a node again, or came since: the anchor, retracted blocks, the newest.
COPY_REST = {
    "block": """
INSERT INTO "{schema}".block SELECT * FROM public.block
WHERE chain_id = $1 AND (NOT canonical OR number < $2 OR number > $3)
ON CONFLICT DO NOTHING
""",
    "transfer": """
INSERT INTO "{schema}".transfer
SELECT t.* FROM public.transfer t
JOIN public.block b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
WHERE b.chain_id = $1 AND (NOT b.canonical OR b.number < $2 OR b.number > $3)
ON CONFLICT DO NOTHING
""",
    "contract_event": """
INSERT INTO "{schema}".contract_event
SELECT e.* FROM public.contract_event e
JOIN public.block b ON b.chain_id = e.chain_id AND b.hash = e.block_hash
WHERE b.chain_id = $1 AND (NOT b.canonical OR b.number < $2 OR b.number > $3)
ON CONFLICT DO NOTHING
""",
}

LOCK_CHAIN = "SELECT tip_number FROM chain WHERE chain_id = $1 FOR UPDATE"

# Readers must not queue behind us for long: rather give up and try again.
LIMIT_WAITING = "SET LOCAL lock_timeout = '2s'"
LOCK_TABLES = """
LOCK TABLE public.block, public.transfer, public.contract_event IN ACCESS EXCLUSIVE MODE
"""

DROP_UNFOUNDED = {
    "payment": """
DELETE FROM payment p WHERE NOT EXISTS (
    SELECT 1 FROM transfer t
    WHERE (t.chain_id, t.block_hash, t.log_index) = (p.chain_id, p.block_hash, p.log_index)
) RETURNING order_id
""",
    "refund_claim": """
DELETE FROM refund_claim k WHERE NOT EXISTS (
    SELECT 1 FROM transfer t
    WHERE (t.chain_id, t.block_hash, t.log_index) = (k.chain_id, k.block_hash, k.log_index)
) RETURNING refund_id
""",
    "payment_proof": """
DELETE FROM payment_proof f WHERE NOT EXISTS (
    SELECT 1 FROM block b WHERE (b.chain_id, b.hash) = (f.chain_id, f.block_hash)
)
""",
}

CANONICAL_HASHES = """
SELECT hash FROM block WHERE chain_id = $1 AND number = ANY($2::bigint[]) AND canonical
"""


@dataclass(frozen=True, slots=True)
class _ForeignKey:
    name: str
    table: str
    definition: str


async def create_successors(connection: Connection, schema: str) -> None:
    """Make a schema with tables like ours; their indexes come when they are full."""
    await connection.execute(f'CREATE SCHEMA "{schema}"')
    for table in TABLES:
        await connection.execute(CREATE_TABLE.format(schema=schema, table=table))
        comment = await connection.fetchval(TABLE_COMMENT, f"public.{table}")
        if comment is not None:
            await connection.execute(f'COMMENT ON TABLE "{schema}".{table} IS {comment}')


async def index_successors(connection: Connection, schema: str) -> None:
    """Give the filled tables the indexes of ours, under the same names, and their readers."""
    for table in TABLES:
        for row in await connection.fetch(INDEXES, f"public.{table}"):
            name, definition = row["name"], row["definition"]
            at = f" ON public.{table} "
            if at not in definition:
                raise ValueError(f"an index is written unlike any other: {definition}")
            await connection.execute(definition.replace(at, f' ON "{schema}".{table} '))
            if row["is_primary"]:
                await connection.execute(
                    f'ALTER TABLE "{schema}".{table} ADD CONSTRAINT {name} '
                    f"PRIMARY KEY USING INDEX {name}"
                )
        for row in await connection.fetch(GRANTS, table):
            await connection.execute(
                f'GRANT {row["privilege"]} ON "{schema}".{table} TO {row["grantee"]}'
            )
        await connection.execute(f'ANALYZE "{schema}".{table}')


async def swap_in(
    connection: Connection,
    chain_id: int,
    schema: str,
    *,
    first: int,
    last: int,
    changed: Sequence[int],
    now: datetime,
) -> list[Event]:
    """Exchange the tables; the caller has opened the transaction and commits it.

    The built range is `first` to `last`; `changed` are the blocks whose rows differ, whose
    transfers are claimed anew. Ours are in the other schema afterwards. Foreign keys are not
    validated yet: `validate_keys` does that without a lock that anybody waits for.

    Raises:
        asyncpg.LockNotAvailableError: somebody reads for too long; try again.
    """
    await connection.execute(LIMIT_WAITING)
    await connection.fetchval(LOCK_CHAIN, chain_id)
    await connection.execute(LOCK_TABLES)
    for table in TABLES:
        await connection.execute(COPY_REST[table].format(schema=schema), chain_id, first, last)
    keys = await _foreign_keys(connection)
    for key in keys:
        await connection.execute(f"ALTER TABLE {key.table} DROP CONSTRAINT {key.name}")
    await _exchange(connection, schema)
    await follow_from_start(connection, chain_id, last=last)
    affected = {row["order_id"] for row in await connection.fetch(DROP_UNFOUNDED["payment"])}
    unproved = [row["refund_id"] for row in await connection.fetch(DROP_UNFOUNDED["refund_claim"])]
    await connection.execute(DROP_UNFOUNDED["payment_proof"])
    for key in keys:
        await connection.execute(
            f"ALTER TABLE {key.table} ADD CONSTRAINT {key.name} {key.definition} NOT VALID"
        )
    rows = await connection.fetch(CANONICAL_HASHES, chain_id, list(changed))
    claimed = await connection.fetch(CLAIM, chain_id, [row["hash"] for row in rows])
    affected |= {row["order_id"] for row in claimed}
    return await _tell(connection, chain_id, affected, unproved, now)


async def validate_keys(connection: Connection) -> None:
    """Check every row against its foreign keys, while everybody goes on reading and writing."""
    for key in await _foreign_keys(connection):
        await connection.execute(f"ALTER TABLE {key.table} VALIDATE CONSTRAINT {key.name}")


async def _foreign_keys(connection: Connection) -> list[_ForeignKey]:
    rows = await connection.fetch(FOREIGN_KEYS, [f"public.{table}" for table in TABLES])
    return [
        _ForeignKey(row["name"], row["table"], row["definition"].removesuffix(" NOT VALID"))
        for row in rows
    ]


async def _exchange(connection: Connection, schema: str) -> None:
    for table in TABLES:
        # By way of a third name, for a schema holds a name but once.
        await connection.execute(f"ALTER TABLE public.{table} RENAME TO {table}_before")
        for row in await connection.fetch(INDEXES, f"public.{table}_before"):
            name = row["name"]
            await connection.execute(f"ALTER INDEX public.{name} RENAME TO {name}_before")
        await connection.execute(f'ALTER TABLE "{schema}".{table} SET SCHEMA public')
        await connection.execute(f'ALTER TABLE public.{table}_before SET SCHEMA "{schema}"')


async def _tell(
    connection: Connection,
    chain_id: int,
    affected: set[str],
    unproved: Sequence[str],
    now: datetime,
) -> list[Event]:
    cursor = await _cursor(connection, chain_id)
    refunds = await find_refunds(connection, chain_id, unproved)
    return await draw_consequences(connection, chain_id, affected, cursor, now=now, refunds=refunds)


async def _cursor(connection: Connection, chain_id: int) -> Cursor:
    cursor = await read_cursor(connection, chain_id)
    if cursor is None:
        raise ValueError("the ledger is not registered")
    return cursor
