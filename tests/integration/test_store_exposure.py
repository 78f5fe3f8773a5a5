"""What one payer or one store may have released at once, decided inside the block transaction."""

from collections.abc import AsyncIterator

import pytest
from store_world import CHAIN_ID, DUE, Ledger, dump, make_block, open_ledger, ref

from devnet.databases import fresh_database
from ledger.order import Finality, PolicyReason, Status
from ledger.store.bulk import apply_range
from ledger.store.bulk_rows import proven_range
from ledger.store.journal import read_events_after
from ledger.store.orders import NewOrder
from ledger.units import Sen

BOB = b"\xbb" * 20


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as ledger:
        yield ledger


async def orders(
    ledger: Ledger, *names: str, payer: int | None = 400, store: int | None = 10_000
) -> list[NewOrder]:
    """Orders of RM 1.80 each: a payer may have two of them released at once."""
    limits = {
        "payer_exposure_limit": payer if payer is None else Sen(payer),
        "store_exposure_limit": store if store is None else Sen(store),
    }
    return [await ledger.order(name, **limits) for name in names]


def pays(made: list[NewOrder]) -> list[tuple[bytes, int, str]]:
    return [(order.address, DUE, f"pay {order.id}") for order in made]


async def statuses(ledger: Ledger, made: list[NewOrder]) -> list[Status]:
    return [await ledger.status(order) for order in made]


async def test_many_orders_of_one_payer_in_one_block_are_released_up_to_the_limit(
    ledger: Ledger,
) -> None:
    made = await orders(ledger, "a", "b", "c", "d")
    block = await ledger.grow(*pays(made))
    assert await statuses(ledger, made) == [Status.PAID] * 2 + [Status.DETECTED] * 2
    held = await ledger.read(made[3])
    assert held.required_finality is Finality.SAFE
    assert held.policy_reason is PolicyReason.PAYER_EXPOSURE
    assert (await ledger.read(made[0])).policy_reason is PolicyReason.AMOUNT
    told = [
        event.data["confirmationPolicy"]
        for event in await read_events_after(ledger.connection, 0, limit=100)
        if event.type == "order.detected"
    ]
    assert told == [{"requiredFinality": "safe", "reason": "payer_exposure"}] * 2
    await ledger.apply(safe=block.header)
    assert await statuses(ledger, made) == [Status.PAID] * 4


async def test_another_payer_is_free_until_the_store_has_too_much_out(ledger: Ledger) -> None:
    made = await orders(ledger, "a", "b", "c", "d", store=600)
    await ledger.grow(*pays(made[:2]))
    await ledger.apply(make_block(ledger.tip, *pays(made[2:]), sender=BOB))
    assert await statuses(ledger, made) == [Status.PAID] * 3 + [Status.DETECTED]
    assert (await ledger.read(made[3])).policy_reason is PolicyReason.STORE_EXPOSURE


async def test_finality_frees_what_was_exposed(ledger: Ledger) -> None:
    made = await orders(ledger, "a", "b", "c", "d", "e")
    block = await ledger.grow(*pays(made[:3]))
    assert await ledger.status(made[2]) is Status.DETECTED
    # In one step: the first become final, and others are paid.
    later = make_block(ledger.tip, *pays(made[3:]))
    await ledger.apply(later, safe=block.header, finalized=block.header)
    assert await statuses(ledger, made) == [Status.SETTLED] * 3 + [Status.PAID] * 2


async def test_a_reorganisation_frees_too_and_never_lowers_what_was_raised(
    ledger: Ledger,
) -> None:
    made = await orders(ledger, "a", "b", "c")
    start = ledger.tip
    await ledger.grow(*pays(made))
    assert await ledger.status(made[2]) is Status.DETECTED
    # The one that was held back comes first now, and stays held back all the same.
    again = make_block(start, *pays(made[2:]), branch="b")
    await ledger.apply(again, fork=start)
    assert await statuses(ledger, made) == [Status.REVERSED] * 2 + [Status.DETECTED]
    fresh = await orders(ledger, "d", "e", "f")
    # The two whose milk has gone are paid again whatever the limit says, and count.
    await ledger.grow(*pays(made[:2]), *pays(fresh), branch="b")
    assert await statuses(ledger, made[:2]) == [Status.PAID] * 2
    assert await statuses(ledger, fresh) == [Status.DETECTED] * 3


async def test_a_payment_that_moves_in_a_reorganisation_is_counted_once(ledger: Ledger) -> None:
    made = await orders(ledger, "a", "b")
    start = ledger.tip
    await ledger.grow(*pays(made[:1]))
    moved = make_block(start, *pays(made), branch="b")
    await ledger.apply(moved, fork=start)
    assert await statuses(ledger, made) == [Status.PAID] * 2


async def test_an_order_without_limits_and_a_larger_one_bind_nobody(ledger: Ledger) -> None:
    free = await orders(ledger, "a", "b", "c", payer=None, store=None)
    await ledger.grow(*pays(free))
    assert await statuses(ledger, free) == [Status.PAID] * 3
    large = await ledger.order("large", finality=Finality.SAFE, payer_exposure_limit=Sen(1))
    (bound,) = await orders(ledger, "d")
    await ledger.grow((large.address, DUE, "large"), *pays([bound]))
    assert await ledger.status(large) is Status.DETECTED
    assert (await ledger.read(large)).policy_reason is PolicyReason.AMOUNT
    # What was released without a limit is exposed too, for whoever has one.
    assert (await ledger.read(bound)).policy_reason is PolicyReason.PAYER_EXPOSURE


async def test_a_block_that_is_already_safe_when_it_comes_exposes_nobody(ledger: Ledger) -> None:
    made = await orders(ledger, "a", "b", "c")
    block = make_block(ledger.tip, *pays(made))
    await ledger.apply(block, safe=block.header)
    assert await statuses(ledger, made) == [Status.PAID] * 3


async def test_block_by_block_at_once_and_in_bulk_the_same_orders_are_held_back(
    postgres_url: str, migrated_template: str
) -> None:
    images = []
    for way in ("steps", "step", "bulk"):
        async with (
            fresh_database(postgres_url, template=migrated_template) as url,
            open_ledger(url) as ledger,
        ):
            made = await orders(ledger, *"abcdef", store=1_000)
            blocks, parent = [], ledger.tip
            for some, sender in ((made[:3], BOB), (made[3:4], BOB), (made[4:], b"\xcc" * 20)):
                blocks.append(make_block(parent, *pays(some), sender=sender))
                parent = blocks[-1].header
            if way == "steps":
                for block in blocks:
                    await ledger.apply(block)
            elif way == "step":
                await ledger.apply(*blocks)
            else:
                async with ledger.connection.transaction():
                    await apply_range(
                        ledger.connection,
                        CHAIN_ID,
                        proven_range(CHAIN_ID, blocks),
                        expected_tip=ref(ledger.tip),
                        now=ledger.now,
                    )
            image = await dump(ledger.connection)
            stored = [await ledger.read(order) for order in made]
            # Within one transaction events come in the order of ids, hence other versions.
            images.append((image["payment"], [(one.status, one.policy_reason) for one in stored]))
    assert images[0] == images[1] == images[2]
    held = PolicyReason.PAYER_EXPOSURE
    free = PolicyReason.AMOUNT
    assert [reason for _, reason in images[0][1]] == [free, free, held, held, free, free]
