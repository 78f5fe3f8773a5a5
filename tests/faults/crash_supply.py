"""A chain that goes on while things break: each block pays one order that was not paid before."""

# ruff: noqa: S311 - a seed must give the same chain again

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from random import Random

from crash_image import Image, take_image
from crash_scene import BILL, SEED, Scene, new_order

from devnet.faulty_node.model import ChainModel
from ledger.loyalty import POINTS_A_COUPON
from ledger.order import Finality

_LIVES_SECONDS = 10_000_000


def make_supply(count: int) -> Scene:
    """A chain with `count` orders that wait to be paid."""
    random = Random(SEED)
    model = ChainModel(random)
    expiry = model.head.timestamp + _LIVES_SECONDS
    orders = [
        new_order(model, random, number, Finality.INCLUDED, expires_at=expiry)
        for number in range(count)
    ]
    return Scene(model, orders)


@contextlib.asynccontextmanager
async def paying(scene: Scene, first: int, last: int) -> AsyncIterator[None]:
    """Pay the orders `first` to `last` - 1, a block each, while the block of code runs."""
    task = asyncio.create_task(_pay(scene, first, last))
    try:
        yield
    finally:
        await task


async def _pay(scene: Scene, first: int, last: int) -> None:
    for number in range(first, last):
        scene.pay(number, BILL)
        await asyncio.sleep(0.02)


async def faults_of_supply(database_url: str, scene: Scene, paid: int) -> list[str]:
    """What is wrong when the first `paid` orders were paid by a block each, and nothing else."""
    image = await take_image(database_url)
    points = Counter(order.customer for order in scene.orders[:paid] if order.customer)
    coupons = sum(count // POINTS_A_COUPON for count in points.values())
    postings = points.total() + coupons
    return [
        *_unequal("payments", len(image["payment"]), paid),
        *_unequal("paid orders", _count(image, "orders", "paid"), paid),
        *_unequal("order.paid events", _count(image, "event", "order.paid"), paid),
        *_unequal("points", _count(image, "posting", "earn"), points.total()),
        *_unequal("coupons", len(image["coupon"]), coupons),
        *_unequal("postings", len(image["posting"]), postings),
        *_unequal("events", len(image["event"]), len(scene.orders) + paid + postings),
    ]


def _count(image: Image, table: str, value: str) -> int:
    return sum(row[1] == value for row in image[table])


def _unequal(what: str, found: int, wanted: int) -> list[str]:
    return [] if found == wanted else [f"{found} {what} instead of {wanted}"]
