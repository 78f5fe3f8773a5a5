"""Every code of the oracle, and how to bring about what it is said of."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from devnet.sandbox.chain_control import blocks_held_back, make_block, take_back, until_chain_time
from devnet.sandbox.scene import Question, Scene, question
from ledger.json_hex import to_hex
from ledger.units import Units

Produce = Callable[[Scene], Awaitable[Question]]

BRIEF_SECONDS = 2
"""How long an order lives that shall be paid late."""

LARGE_MYR = "60.00"
"""More than is released at inclusion with the default policy."""


@dataclass(frozen=True)
class Situation:
    """What can be produced, which answer it gets, and how."""

    name: str
    code: str
    summary: str
    produce: Produce


async def _paid(scene: Scene) -> Question:
    return await scene.pay(await scene.order())


async def _overpaid(scene: Scene) -> Question:
    return await scene.pay(await scene.order(), percent=150)


async def _underpaid(scene: Scene) -> Question:
    return await scene.pay(await scene.order(), percent=40)


async def _in_parts(scene: Scene) -> Question:
    order = await scene.order()
    first = await scene.pay(order, percent=40)
    await scene.pay(order, percent=60)
    return first


async def _duplicate(scene: Scene) -> Question:
    order = await scene.order()
    await scene.ask_until(await scene.pay(order), "valid")
    return await scene.pay(order)


async def _late(scene: Scene) -> Question:
    order = await scene.order(lives_seconds=BRIEF_SECONDS)
    await until_chain_time(scene.node, int(order.expires_at.timestamp()))
    return await scene.pay(order)


async def _cancelled(scene: Scene) -> Question:
    order = await scene.order()
    await scene.client.cancel_order(order.id)
    return await scene.pay(order)


async def _reorged(scene: Scene) -> Question:
    order = await scene.order()
    # In a chain that runs on, the block would be too deep to be taken back by the time we know it.
    async with blocks_held_back(scene.node):
        tx_hash = await scene.broadcast(order)
        await make_block(scene.node)
        asked = question(tx_hash, order)
        await scene.ask_until(asked, "valid")
        await take_back(scene.node, depth=1)
        await scene.ask_until(asked, "payment_reversed")
    return asked


async def _awaiting_finality(scene: Scene) -> Question:
    order = await scene.order(LARGE_MYR)
    async with blocks_held_back(scene.node):
        tx_hash = await scene.broadcast(order)
        await make_block(scene.node)
        asked = question(tx_hash, order)
        await scene.ask_until(asked, "awaiting_finality")
    return asked


async def _wrong_amount(scene: Scene) -> Question:
    asked = await scene.pay(await scene.order())
    return replace(asked, expected_amount="0.24")


async def _wrong_order(scene: Scene) -> Question:
    asked = await scene.pay(await scene.order())
    return replace(asked, order_id=(await scene.order()).id)


async def _unknown_order(scene: Scene) -> Question:
    asked = await scene.pay(await scene.order())
    return replace(asked, order_id="ord_" + "0" * 26)


async def _ambiguous(scene: Scene) -> Question:
    first, second = await scene.order(), await scene.order()
    tx_hash = await scene.broadcast_together(first, second)
    await scene.until_in_block(tx_hash)
    return replace(question(tx_hash, first), order_id=None)


async def _no_order(scene: Scene) -> Question:
    tx_hash = await scene.transfer(scene.deployment.treasury, Units(10**17))
    await scene.until_in_block(tx_hash)
    return Question(tx_hash, "0.1")


async def _unknown(scene: Scene) -> Question:
    order = await scene.order()
    return question(to_hex(secrets.token_bytes(32)), order)


_ALL: Final = (
    Situation("paid", "valid", "an order is paid", _paid),
    Situation("overpaid", "valid", "half as much again is paid, and owed back", _overpaid),
    Situation("underpaid", "underpaid", "two fifths are paid", _underpaid),
    Situation("parts", "part_payment", "paid in two parts; the first is asked about", _in_parts),
    Situation("duplicate", "duplicate_payment", "paid twice; the second one is meant", _duplicate),
    Situation("late", "paid_late", "paid after the order has expired", _late),
    Situation("cancelled", "order_cancelled", "paid after the order was cancelled", _cancelled),
    Situation("reorged", "payment_reversed", "the payment's block leaves the chain", _reorged),
    Situation(
        "large", "awaiting_finality", "so large that inclusion is not enough", _awaiting_finality
    ),
    Situation("wrong-amount", "amount_mismatch", "another amount is expected", _wrong_amount),
    Situation("wrong-order", "order_mismatch", "another order is meant", _wrong_order),
    Situation("unknown-order", "order_not_found", "an order is meant that is none", _unknown_order),
    Situation("two-orders", "order_ambiguous", "one transaction pays two orders", _ambiguous),
    Situation("no-order", "not_for_an_order", "BILL is sent to the treasury itself", _no_order),
    Situation("unknown", "transaction_not_found", "a transaction that nobody sent", _unknown),
)
SITUATIONS: Final = {one.name: one for one in _ALL}
