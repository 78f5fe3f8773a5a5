"""The ledger's sums against what the token says, and what the indexer tells of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
import yaml
from aiohttp import ClientSession
from market import BILL, Market, indexing, open_market, wait_for
from prometheus_client import REGISTRY

from devnet.dev_accounts import DEPLOYER_INDEX, dev_account
from devnet.ports import free_port
from devnet.transactions import address_of
from indexer import reconcile as reconcile_module
from indexer.lead import open_sources
from indexer.reconcile import Reconciliation, pause_seconds, reconcile
from ledger.json_hex import to_hex
from ledger.order import Status

ROOT = Path(__file__).parents[2]


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


DRIFT = "billcoin_reconciliation_drift_units"


async def test_drift_is_a_log_line_and_a_metric_until_it_is_gone(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_module, "_REST_TIMES", 1)
    settings = market.settings().model_copy(update={"reconcile_seconds": 0.1})
    market.settings = lambda **_: settings  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as logged:
        async with indexing(market):
            tip = await market.until_tip()

            async def is_sound() -> bool:
                return any(line["event"] == "reconciled" for line in logged)

            await wait_for(is_sound, "a sound ledger")
            assert REGISTRY.get_sample_value(DRIFT) == 0
            minted = "UPDATE transfer SET amount = amount + $2 WHERE sender = $1"
            await market.ledger.execute(minted, bytes(20), 7)

            async def drifts() -> bool:
                return any(line["event"] == "ledger_drifts" for line in logged)

            await wait_for(drifts, "drift")
            # Supply and the only holder's balance, each 7 too much.
            assert REGISTRY.get_sample_value(DRIFT) == 14
            await market.ledger.execute(minted, bytes(20), -7)

            async def is_sound_again() -> bool:
                return REGISTRY.get_sample_value(DRIFT) == 0

            await wait_for(is_sound_again, "no drift any more")
    told = next(line for line in logged if line["event"] == "ledger_drifts")
    holder = to_hex(address_of(dev_account(DEPLOYER_INDEX)))
    assert told == {
        "event": "ledger_drifts",
        "log_level": "error",
        "block": tip,
        "supply_drift": "7",
        "holders": {holder: "7"},
    }


def test_drift_pages_whoever_is_on_call() -> None:
    rules = yaml.safe_load((ROOT / "ops/prometheus/rules.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    (alert,) = [alert for alert in alerts if DRIFT in alert["expr"]]
    assert alert["expr"] == f"max({DRIFT}) > 0"
    assert alert["labels"] == {"severity": "page"}
    assert alert["annotations"]["runbook"] == "docs/operator.md#ledger-drift"


def test_a_long_history_is_summed_up_the_less_often() -> None:
    """Each time reads all of it: at ten million transfers for longer than a till should wait."""
    assert pause_seconds(0.01, 60.0) == 60.0
    assert pause_seconds(10.0, 60.0) == 1000.0
