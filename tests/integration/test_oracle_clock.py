"""Lateness is the chain's to decide, whatever the oracle's own clock says or jumps to."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import pytest
from oracle_support import Client, Ledger, Pay, served, settings_for, tx

HOUR = 3600
TTL = 900


@dataclass
class Clock:
    """The oracle's clock, which a test sets wrong."""

    off_by: float = 0

    def __call__(self) -> float:
        return time.time() + self.off_by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(ledger: Ledger, clock: Clock) -> AsyncIterator[Client]:
    settings = settings_for(ledger.url, order_ttl_seconds=TTL)
    async with served(settings, clock=clock) as client:
        yield client


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize("off_by", [-HOUR, HOUR])
async def test_a_wrong_clock_makes_the_oracle_refuse_and_no_payment_late(
    client: Client, ledger: Ledger, clock: Clock, off_by: int
) -> None:
    order = await client.order()
    clock.off_by = off_by
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    assert (await client.get(order["id"]))["status"] == "paid"
    status, answer = await client.ask(tx(1))
    assert (status, answer["valid"], answer["error"]) == (503, False, "indexer_silent")
    clock.off_by = 0
    answer = await client.validate(tx(1))
    assert (answer["valid"], answer["verdict"]["code"]) == (True, "valid")


async def test_an_order_made_by_a_slow_clock_can_still_be_paid_in_time(
    client: Client, ledger: Ledger, clock: Clock
) -> None:
    await ledger.block()
    clock.off_by = -HOUR
    order = await client.order()
    assert unix(order["createdAt"]) < ledger.tip.timestamp - HOUR + 60
    assert unix(order["expiresAt"]) == ledger.tip.timestamp + TTL
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    assert (await client.get(order["id"]))["status"] == "paid"


async def test_an_order_made_by_a_fast_clock_lives_longer_and_no_shorter(
    client: Client, ledger: Ledger, clock: Clock
) -> None:
    clock.off_by = HOUR
    order = await client.order()
    clock.off_by = 0
    late_for_others = int(time.time()) + HOUR
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)), timestamp=late_for_others)
    assert (await client.get(order["id"]))["status"] == "paid"


async def test_an_order_expires_when_the_chain_has_passed_it_and_by_no_other_clock(
    client: Client, ledger: Ledger, clock: Clock
) -> None:
    order = await client.order()
    expires_at = unix(order["expiresAt"])
    clock.off_by = 2 * HOUR
    await ledger.block()
    assert (await client.get(order["id"]))["status"] == "awaiting_payment"
    # In its very last second it is in time, and a second later not.
    last = await ledger.block(timestamp=expires_at)
    assert last.timestamp == expires_at
    assert (await client.get(order["id"]))["status"] == "awaiting_payment"
    clock.off_by = -2 * HOUR
    await ledger.block(timestamp=expires_at + 1)
    assert (await client.get(order["id"]))["status"] == "expired"
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)), timestamp=expires_at + 2)
    late = await client.get(order["id"])
    assert (late["status"], late["amountOwedBack"]) == ("paid_late", "0.25")


async def test_a_chain_that_goes_back_in_time_revives_an_order(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    await ledger.block(timestamp=unix(order["expiresAt"]) + 1)
    assert (await client.get(order["id"]))["status"] == "expired"
    await ledger.reorganise(1, [Pay(order["orderAddress"], "0.25", tx(1))])
    assert (await client.get(order["id"]))["status"] == "paid"
