"""Points follow their orders through reorganisations, exactly once, and coupons are used once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from store_world import CHAIN_ID, DUE, NOW, Ledger, created, make_block, new_order, open_ledger

from devnet.databases import fresh_database
from ledger.errors import RejectedError
from ledger.loyalty import coupon_id
from ledger.order import Finality
from ledger.store.bulk import apply_range
from ledger.store.bulk_rows import proven_range
from ledger.store.coupons import list_coupons, list_postings, read_points, use_coupon
from ledger.store.journal import read_events_after
from ledger.store.orders import NewOrder, insert_order
from ledger.store.pool import connect

ANN, BEN = b"\x0a" * 32, b"\x0b" * 32


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as opened:
        yield opened


async def orders_of(ledger: Ledger, customer: bytes | None, count: int) -> list[NewOrder]:
    name = "none" if customer is None else customer[:1].hex()
    return [await ledger.order(f"{name}{number}", customer=customer) for number in range(count)]


def payments(orders: list[NewOrder]) -> list[tuple[bytes, int, str]]:
    return [(order.address, DUE, order.id) for order in orders]


async def told(ledger: Ledger) -> list[str]:
    events = await read_events_after(ledger.connection, 0, limit=1000)
    return [event.type for event in events if event.type.startswith("loyalty.")]


async def points(ledger: Ledger, customer: bytes = ANN) -> int:
    return await read_points(ledger.connection, customer)


async def coupons(ledger: Ledger, customer: bytes = ANN) -> list[str]:
    return [one.status for one in await list_coupons(ledger.connection, customer, limit=9)]


async def test_a_paid_order_earns_a_point_and_one_without_a_customer_none(ledger: Ledger) -> None:
    orders = [*await orders_of(ledger, ANN, 1), *await orders_of(ledger, None, 1)]
    paid = await ledger.grow(*payments(orders))
    assert await points(ledger) == 1
    await ledger.grow()
    await ledger.apply(finalized=paid.header)
    # Settled is no second payment.
    assert await told(ledger) == ["loyalty.earned"]
    await ledger.require_sound()


async def test_an_order_that_waits_for_depth_earns_when_it_is_paid(ledger: Ledger) -> None:
    order = await ledger.order("large", customer=ANN, finality=Finality.FINALIZED)
    block = await ledger.grow((order.address, DUE, "t"))
    assert await points(ledger) == 0
    await ledger.apply(finalized=block.header)
    assert await points(ledger) == 1


async def test_a_reversed_order_gives_its_point_back_and_earns_it_again(ledger: Ledger) -> None:
    (order,) = await orders_of(ledger, ANN, 1)
    fork = ledger.tip
    paid = await ledger.grow(*payments([order]))
    await ledger.apply(make_block(fork, branch="b"), fork=fork)
    assert await points(ledger) == 0
    await ledger.apply(paid, fork=fork)
    assert await points(ledger) == 1
    await ledger.apply(make_block(fork, *payments([order]), branch="c"), fork=fork)
    assert await told(ledger) == ["loyalty.earned", "loyalty.reversed", "loyalty.earned"]
    history = await list_postings(ledger.connection, ANN, before_seq=None, limit=9)
    assert [(one.kind, one.points) for one in history] == [
        ("earn", 1),
        ("reverse", -1),
        ("earn", 1),
    ]
    await ledger.require_sound()


async def test_five_points_are_a_coupon_that_a_reorganisation_voids(ledger: Ledger) -> None:
    orders = await orders_of(ledger, ANN, 5)
    await ledger.grow(*payments(orders[:4]))
    fork = ledger.tip
    await ledger.grow(*payments(orders[4:]))
    assert (await points(ledger), await coupons(ledger)) == (0, ["usable"])
    await ledger.apply(make_block(fork, branch="b"), fork=fork)
    assert (await points(ledger), await coupons(ledger)) == (4, ["voided"])
    with pytest.raises(RejectedError, match="reversed"):
        await use(ledger, 1)
    await ledger.grow(*payments(orders[4:]))
    assert (await points(ledger), await coupons(ledger)) == (0, ["usable", "voided"])
    assert (await told(ledger))[4:] == [
        *("loyalty.earned", "loyalty.coupon_made", "loyalty.reversed", "loyalty.coupon_voided"),
        *("loyalty.earned", "loyalty.coupon_made"),
    ]
    await ledger.require_sound()


async def test_a_used_coupon_is_not_voided_but_owed(ledger: Ledger) -> None:
    orders = await orders_of(ledger, ANN, 5)
    fork = ledger.tip
    await ledger.grow(*payments(orders))
    await use(ledger, 1)
    await ledger.apply(make_block(fork, *payments(orders[:3]), branch="b"), fork=fork)
    assert (await points(ledger), await coupons(ledger)) == (-2, ["used"])
    await ledger.require_sound()


async def use(ledger: Ledger, number: int, *, by: str = "till-1") -> None:
    async with ledger.connection.transaction():
        await use_coupon(ledger.connection, coupon_id(ANN, number), used_by=by, now=NOW)


async def test_a_coupon_is_used_once(ledger: Ledger) -> None:
    await ledger.grow(*payments(await orders_of(ledger, ANN, 5)))
    await use(ledger, 1)
    for by in ("till-1", "till-2"):
        with pytest.raises(RejectedError, match="has been used"):
            await use(ledger, 1, by=by)
    with pytest.raises(RejectedError, match="no such coupon"):
        await use(ledger, 2)
    assert (await told(ledger)).count("loyalty.coupon_used") == 1


async def test_of_many_tills_one_gets_the_milk(ledger: Ledger, ledger_url: str) -> None:
    await ledger.grow(*payments(await orders_of(ledger, ANN, 5)))

    async def one(number: int) -> Any:
        connection = await connect(ledger_url, application_name="test")
        try:
            async with connection.transaction():
                return await use_coupon(
                    connection, coupon_id(ANN, 1), used_by=f"till-{number}", now=NOW
                )
        finally:
            await connection.close()

    results = await asyncio.gather(*(one(number) for number in range(8)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, RejectedError)]
    assert len(refused) == 7
    await ledger.require_sound()


async def test_a_till_and_a_reorganisation_that_meet_leave_sound_books(
    ledger: Ledger, ledger_url: str
) -> None:
    """Whoever is first decides: used and owed, or voided and refused; never both or neither."""
    orders = await orders_of(ledger, ANN, 5)
    fork = ledger.tip
    await ledger.grow(*payments(orders))
    till = await connect(ledger_url, application_name="test")
    try:
        waiting = till.transaction()
        await waiting.start()
        await use_coupon(till, coupon_id(ANN, 1), used_by="till", now=NOW)
        moving = asyncio.create_task(ledger.apply(make_block(fork, branch="b"), fork=fork))
        # The reorganisation has come to the account and waits for the till's lock.
        while not await till.fetchval(  # noqa: ASYNC110 - a lock sets no event
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        ):
            await asyncio.sleep(0.005)
        await waiting.commit()
        await moving
    finally:
        await till.close()
    assert (await points(ledger), await coupons(ledger)) == (-5, ["used"])
    await ledger.require_sound()


async def test_a_range_posts_what_single_blocks_post(
    ledger: Ledger, postgres_url: str, migrated_template: str
) -> None:
    orders = [*await orders_of(ledger, ANN, 12), *await orders_of(ledger, BEN, 3)]
    blocks, parent = [], ledger.tip
    for number in range(5):
        block = make_block(parent, *payments(orders[number::5]))
        blocks.append(block)
        parent = block.header
    cursor = await ledger.cursor()
    async with ledger.connection.transaction():
        await apply_range(
            ledger.connection,
            CHAIN_ID,
            proven_range(CHAIN_ID, blocks),
            expected_tip=cursor.tip,
            now=NOW,
        )
    in_one = await books(ledger)
    async with (
        fresh_database(postgres_url, template=migrated_template) as url,
        open_ledger(url) as other,
    ):
        for order in orders:
            async with other.connection.transaction():
                await insert_order(other.connection, order, event=created(order), now=NOW)
        for block in blocks:
            await other.apply(block)
        assert await books(other) == in_one
        await other.require_sound()
    assert in_one["loyalty_account"] == [(ANN, 2, 2), (BEN, 3, 0)]


async def books(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """All but which order a coupon is told with, which the cutting into transactions decides."""
    queries = {
        "loyalty_account": "SELECT * FROM loyalty_account ORDER BY customer",
        "coupon": "SELECT id, customer, number, status FROM coupon ORDER BY id",
        "posting": "SELECT kind, debit, credit, customer, points FROM posting"
        " ORDER BY customer, kind",
        "earned": "SELECT order_id FROM posting WHERE kind = 'earn' ORDER BY order_id",
    }
    return {
        name: [tuple(row) for row in await ledger.connection.fetch(query)]
        for name, query in queries.items()
    }


async def test_the_database_takes_no_posting_that_is_none(ledger: Ledger) -> None:
    await ledger.grow(*payments(await orders_of(ledger, ANN, 1)))
    for change in ("debit = 'customer'", "points = 0", "points = -1", "kind = 'redeem'"):
        with pytest.raises(Exception, match="violates check constraint"):
            await ledger.connection.execute(f"UPDATE posting SET {change}")  # noqa: S608


async def test_one_customer_of_thousands_of_orders_in_one_block(ledger: Ledger) -> None:
    orders = [new_order(f"many{number:03}", customer=ANN) for number in range(203)]
    for order in orders:
        async with ledger.connection.transaction():
            await insert_order(ledger.connection, order, event=created(order), now=NOW)
    await ledger.grow(*payments(orders))
    assert await points(ledger) == 3
    assert await ledger.connection.fetchval("SELECT count(*) FROM coupon") == 40
    await ledger.require_sound()
