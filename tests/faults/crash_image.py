"""All that a ledger says, without the moments at which it was written."""

from typing import Any

from ledger.store.pool import Connection, connect

Image = dict[str, list[tuple[Any, ...]]]

# Only when something was written may differ: created_at of events, paid_at and settled_at, of
# which it must still be the same whether there is one.
TABLES = {
    "chain": "SELECT * FROM chain",
    "block": "SELECT * FROM block ORDER BY hash",
    "transfer": "SELECT * FROM transfer ORDER BY block_hash, log_index",
    "contract_event": "SELECT * FROM contract_event ORDER BY block_hash, log_index",
    "payment": "SELECT * FROM payment ORDER BY block_hash, log_index",
    "orders": """
        SELECT id, status, amount_due, amount_received, amount_owed_back, covering_number, version,
               paid_at IS NOT NULL, settled_at IS NOT NULL, cancelled_at, required_finality,
               policy_reason, payer, amount_refunded
        FROM orders ORDER BY id
    """,
    "loyalty_account": "SELECT * FROM loyalty_account ORDER BY customer",
    "coupon": "SELECT id, customer, number, order_id, status FROM coupon ORDER BY id",
    "posting": "SELECT * FROM posting ORDER BY seq",
    "exposure_entry": "SELECT * FROM exposure_entry ORDER BY seq, scope, subject, number",
    "refund": "SELECT id, status, tx_hash, seen_number, version FROM refund ORDER BY id",
    "refund_claim": "SELECT * FROM refund_claim ORDER BY block_hash, log_index",
    "refund_entry": """
        SELECT seq, refund_id, debit, credit, amount, account_id FROM refund_entry ORDER BY seq
    """,
    "event": "SELECT seq, type, order_id, data FROM event ORDER BY seq",
    "journal": "SELECT last_seq FROM journal",
}


async def take_image(database_url: str) -> Image:
    """One snapshot of every table."""
    connection = await connect(database_url, application_name="test")
    try:
        return await read_image(connection)
    finally:
        await connection.close()


async def read_image(connection: Connection) -> Image:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return {
            table: [tuple(row) for row in await connection.fetch(query)]
            for table, query in TABLES.items()
        }


def changes(before: Image, after: Image) -> list[str]:
    """The tables that differ, with the first rows that do."""
    told = []
    for table in TABLES:
        gone = [row for row in before[table] if row not in after[table]]
        new = [row for row in after[table] if row not in before[table]]
        if gone or new or len(before[table]) != len(after[table]):
            told.append(f"{table}: {gone[:3]} became {new[:3]}")
    return told


def journal_faults(image: Image) -> list[str]:
    """What is wrong with the journal in itself: a gap, or an event that was told twice."""
    faults = []
    numbers = [row[0] for row in image["event"]]
    if numbers != list(range(1, len(numbers) + 1)):
        faults.append(f"event numbers {numbers} have a gap")
    if image["journal"] != [(len(numbers),)]:
        faults.append(f"the journal counts {image['journal']}, there are {len(numbers)}")
    told = [repr(row[1:]) for row in image["event"]]
    faults += [f"told twice: {event}" for event in sorted(set(told)) if told.count(event) > 1]
    return faults
