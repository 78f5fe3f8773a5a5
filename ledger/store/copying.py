"""COPY, by which many rows come into a table quickest, also where some are there already."""

from collections.abc import AsyncIterator, Sequence

from ledger.store.pool import Connection

# Two batches of one transaction may come by here, each with rows of its own.
STAGE = "CREATE TEMP TABLE IF NOT EXISTS staged_{table} (LIKE {table}) ON COMMIT DROP"
UNSTAGE = """
INSERT INTO {table} SELECT * FROM staged_{table}
ON CONFLICT ({key}) DO UPDATE SET canonical = true
"""
CLEAR = "TRUNCATE staged_{table}"

_PLACE_OF_A_LOG = "chain_id, block_hash, log_index"
_KEYS = {
    "block": "chain_id, hash",
    "transfer": _PLACE_OF_A_LOG,
    "contract_event": _PLACE_OF_A_LOG,
}


async def copy_rows(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    document: bytes,
    *,
    schema: str | None = None,
) -> None:
    """Write new rows.

    Raises:
        asyncpg.UniqueViolationError: one of them is there already; none was written.
    """
    await connection.copy_to_table(
        table, source=_whole(document), columns=columns, schema_name=schema, format="binary"
    )


async def copy_over(
    connection: Connection, table: str, columns: Sequence[str], document: bytes
) -> None:
    """Write rows of blocks of which some are there already: those become canonical again."""
    await connection.execute(STAGE.format(table=table))
    await copy_rows(connection, f"staged_{table}", columns, document)
    await connection.execute(UNSTAGE.format(table=table, key=_KEYS[table]))
    await connection.execute(CLEAR.format(table=table))


async def _whole(document: bytes) -> AsyncIterator[bytes]:
    """All of it in one piece; as plain bytes the driver would take them for a file's name."""
    yield document
