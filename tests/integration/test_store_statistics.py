"""The database is told of a rush at once, and only of one that it could not have foreseen."""

from store_world import DUE, Ledger, created, make_block, new_order, open_ledger

from ledger.store.orders import insert_order
from ledger.store.statistics import MANY_TRANSFERS, renew_statistics

ESTIMATE = "SELECT reltuples FROM pg_class WHERE relname = 'transfer'"


async def test_a_rush_in_a_young_ledger_is_made_known(ledger_url: str) -> None:
    async with open_ledger(ledger_url) as ledger:
        await _pay_many(ledger, MANY_TRANSFERS)
        connection = ledger.connection
        assert await connection.fetchval(ESTIMATE) <= 0
        assert not await renew_statistics(connection, transfer_count=MANY_TRANSFERS - 1)
        assert await renew_statistics(connection, transfer_count=MANY_TRANSFERS)
        assert await connection.fetchval(ESTIMATE) == MANY_TRANSFERS
        assert not await renew_statistics(connection, transfer_count=MANY_TRANSFERS)
        await ledger.require_sound()


async def _pay_many(ledger: Ledger, count: int) -> None:
    orders = [new_order(f"many{number:05}") for number in range(count)]
    async with ledger.connection.transaction():
        for order in orders:
            await insert_order(ledger.connection, order, event=created(order), now=ledger.now)
    await ledger.apply(make_block(ledger.tip, *((one.address, DUE, one.id) for one in orders)))
