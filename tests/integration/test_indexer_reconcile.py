"""The ledger's sums against what the token says, and what the indexer tells of it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession
from market import BILL, Market, indexing, open_market, wait_for
from prometheus_client import REGISTRY

from devnet.ports import free_port
from indexer.lead import open_sources
from indexer.reconcile import Reconciliation, pause_seconds, reconcile
from ledger.order import Status


@pytest.fixture
async def market(ledger_url: str) -> AsyncIterator[Market]:
    async with open_market(ledger_url) as opened:
        yield opened


async def reconciled(market: Market) -> Reconciliation | None:
    deployment = market.manifest.deployment
    async with open_sources(market.settings()) as sources:
        return await reconcile(
            market.ledger, sources, chain_id=deployment.chain_id, token=deployment.token
        )


async def sold(market: Market) -> None:
    async with indexing(market):
        order = await market.order()
        await market.pay(order.address, BILL)
        await market.until(order.id, Status.PAID)
        await market.until_tip()


async def test_an_empty_ledger_is_not_reconciled(market: Market) -> None:
    assert await reconciled(market) is None


async def test_a_sound_ledger_has_no_drift(market: Market) -> None:
    await sold(market)
    found = await reconciled(market)
    assert found is not None
    assert found.total_drift == 0
    assert len(found.balance_drifts) == 2  # the payer's minted balance and the order's


@pytest.mark.parametrize(
    ("tampering", "supply_drift", "total_drift"),
    [
        ("UPDATE transfer SET amount = amount + 7 WHERE sender = $1", 7, 14),
        ("UPDATE transfer SET amount = amount - 3 WHERE sender <> $1", 0, 6),
    ],
    ids=["more minted than the token says", "a payment that is too small"],
)
async def test_drift_is_found_in_supply_and_balances(
    market: Market, tampering: str, supply_drift: int, total_drift: int
) -> None:
    await sold(market)
    await market.ledger.execute(tampering, bytes(20))
    found = await reconciled(market)
    assert found is not None
    assert found.supply_drift == supply_drift
    assert found.total_drift == total_drift


async def test_a_ledger_that_lags_is_compared_at_its_own_tip(market: Market) -> None:
    await sold(market)
    await market.mint(market.manifest.deployment.treasury, 5 * BILL)
    found = await reconciled(market)
    assert found is not None
    assert found.total_drift == 0


async def test_a_tip_that_left_the_chain_is_not_reconciled(market: Market) -> None:
    await sold(market)
    await market.reorg(2)
    assert await reconciled(market) is None


async def test_the_running_indexer_reconciles_and_serves_metrics(market: Market) -> None:
    port = free_port()
    settings = market.settings().model_copy(
        update={"indexer_metrics_port": port, "reconcile_seconds": 0.1}
    )
    market.settings = lambda **_: settings  # type: ignore[method-assign]
    async with indexing(market), ClientSession() as session:
        await market.until_tip()

        async def was_reconciled() -> bool:
            return bool(REGISTRY.get_sample_value("billcoin_reconciled_timestamp_seconds"))

        await wait_for(was_reconciled, "a reconciliation")

        async def is_told() -> bool:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                text = await answer.text()
            return (
                "billcoin_reconciliation_drift_units 0.0" in text
                and "billcoin_leading 1.0" in text
                and "billcoin_nodes_agreeing 1.0" in text
            )

        await wait_for(is_told, "no drift, a leader and a node that agrees")


def test_a_long_history_is_summed_up_the_less_often() -> None:
    """Each time reads all of it: at ten million transfers for longer than a till should wait."""
    assert pause_seconds(0.01, 60.0) == 60.0
    assert pause_seconds(10.0, 60.0) == 1000.0
