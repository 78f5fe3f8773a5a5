"""Sell one milk: an order, its QR code, the wallet's payment, and the till's view of it."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.signing import LocalAccount
from devnet import timeline as steps
from devnet.attended import attended
from devnet.head_clock import HeadClock
from devnet.node import Node
from devnet.oracle_client import OracleClient, StreamEvent
from devnet.payment import broadcast, plan_payment
from devnet.timeline import Timeline
from devnet.transactions import address_of, require_success
from ledger.deployment import Deployment
from ledger.errors import CorruptError, TransientError
from ledger.json_hex import to_hex
from ledger.order import Status
from ledger.units import format_bill

SKU = "fresh-250ml"
DEFAULT_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Sale:
    """A sold milk, for people and programs."""

    order: dict[str, Any]
    tx_hash: bytes
    block_number: int
    verdict: dict[str, Any]
    timeline: Timeline

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "orderId": self.order["id"],
            "paymentUri": self.order["paymentUri"],
            "amountDue": self.order["amountDue"],
            "txHash": to_hex(self.tx_hash),
            "blockNumber": self.block_number,
            "verdict": self.verdict,
            "timeline": [step.fields() for step in self.timeline.steps()],
        }


class _Till:
    """What a till sees of one order on the stream."""

    def __init__(self, timeline: Timeline) -> None:
        self.connected = asyncio.Event()
        self.paid = asyncio.Event()
        self.settled = asyncio.Event()
        self.order_id: str | None = None
        self._timeline = timeline

    async def follow(self, oracle: OracleClient) -> None:
        """Take in events until the stream ends, which it must not."""
        async for event in oracle.order_events(connected=self.connected):
            self._take(event)
        raise TransientError("the order stream ended")

    def _take(self, event: StreamEvent) -> None:
        if not event.type.startswith("order."):
            return
        body = json.loads(event.data)
        data = body["data"]
        if self.order_id is None or data.get("orderId") != self.order_id:
            return
        if data.get("payment") is not None:
            # The indexer opens the block's transaction, whose time this is, when all is proven.
            self._timeline.mark(steps.PROVEN, ago_seconds=_age_seconds(body))
        status = data.get("status")
        if status in (Status.PAID, Status.SETTLED):
            self._timeline.mark(steps.PAID)
            self.paid.set()
        if status == Status.SETTLED:
            self._timeline.mark(steps.SETTLED)
            self.settled.set()


def _age_seconds(event: dict[str, Any]) -> float:
    """How long ago the event was written; nothing if it does not say."""
    created_at = event.get("createdAt")
    if created_at is None:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds()


@dataclass(frozen=True)
class Seller:
    """Who takes part in a sale, and on which chain."""

    node: Node
    oracle: OracleClient
    student: LocalAccount
    deployment: Deployment
    node_ws_url: str
    say: Callable[[str], None]
    patience_seconds: float = DEFAULT_PATIENCE_SECONDS
    """How long it may take to be paid, and from there to be settled."""

    async def sell_milk(self) -> Sale:
        """Sell one milk from order to settlement.

        Raises:
            TransientError: It was not paid and settled in time.
            CorruptError: The oracle's verdict on an honest payment is not yes.
        """
        timeline = Timeline(time.perf_counter, self.say)
        till, heads = _Till(timeline), HeadClock(time.perf_counter)
        # Without its announcements a block still counts from when its receipt was seen.
        following = asyncio.create_task(heads.follow(self.node_ws_url))
        try:
            return await attended(self._sell(till, heads, timeline), till.follow(self.oracle))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _sell(self, till: _Till, heads: HeadClock, timeline: Timeline) -> Sale:
        await till.connected.wait()
        order = await self.oracle.create_order(SKU, 1)
        till.order_id = order["id"]
        timeline.mark(steps.ORDER_CREATED)
        await self.oracle.qr_svg(order["id"])
        timeline.mark(steps.QR)
        plan = await plan_payment(
            self.node, order["paymentUri"], address_of(self.student), deployment=self.deployment
        )
        tx_hash = await broadcast(self.node, plan, self.student)
        timeline.mark(steps.BROADCAST)
        receipt = require_success(await self.node.receipt(tx_hash))
        timeline.mark(steps.BLOCK, ago_seconds=heads.age_seconds(receipt.block_number))
        await self._in_time(till.paid, "paid")
        verdict = await self.oracle.validate(tx_hash, format_bill(plan.request.units))
        timeline.mark(steps.VERDICT)
        if verdict.get("valid") is not True:
            raise CorruptError(f"the oracle refused an honest payment: {verdict}")
        await self._in_time(till.settled, "settled")
        return Sale(order, tx_hash, receipt.block_number, verdict, timeline)

    async def _in_time(self, event: asyncio.Event, what: str) -> None:
        try:
            async with asyncio.timeout(self.patience_seconds):
                await event.wait()
        except TimeoutError as error:
            raise TransientError(
                f"the order was not {what} within {self.patience_seconds:g} s; "
                "a chain with late finality wants a longer --patience"
            ) from error
