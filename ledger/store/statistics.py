"""Lets the database look at its tables at once when a block has made them many times as large."""

from typing import Final

from ledger.store.pool import Connection

MANY_TRANSFERS: Final = 1_000
"""With fewer no plan is so wrong that it would matter before autovacuum comes, within a minute."""

IS_UNFORESEEN: Final = "SELECT reltuples < $1 FROM pg_class WHERE oid = 'public.transfer'::regclass"

RENEW: Final = "ANALYZE block, transfer, payment, orders, event"


async def renew_statistics(connection: Connection, *, transfer_count: int) -> bool:
    """After a block of so many transfers; True when the database had thought it had fewer in all.

    The plans of prepared statements are kept until statistics change. Those of a young ledger read
    whole tables, which were empty; after the first rush each new order would read thousands of
    payments, until autovacuum comes.
    """
    if transfer_count < MANY_TRANSFERS or not await connection.fetchval(
        IS_UNFORESEEN, transfer_count
    ):
        return False
    await connection.execute(RENEW)
    return True
