"""What the milk economy's contracts say arrives in the ledger, live and in bulk, and goes again."""

import csv
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from market import Market, indexing, only_node_has_it, open_market, wait_for

from contracts import milk_market, milk_price_feed, minting_module
from contracts.abi import call_data
from devnet.databases import fresh_database
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account, economy_accounts
from devnet.economy import LITRE
from devnet.sensor import Line, chain_time, measure, prepare, submit
from devnet.transactions import Message, address_of, require_success, send
from indexer.audit.work import audit_range, choose_task
from indexer.backfill import backfill_until
from indexer.deployment_check import WrongDeploymentError, check_deployment_on_chain, find_anchor
from indexer.export import export_ledger
from indexer.lead import follow_configured, open_sources
from indexer.reindex import reindex
from indexer.replay_check import replay_check
from ledger.contract_event import ContractEvent, canonical_arguments
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.market import fold_purchase
from ledger.store.contract_events import FollowedContractsError, read_events_by_block
from ledger.store.cursor import read_cursor, register
from ledger.store.market import list_offers, list_purchases
from ledger.store.payment_proofs import read_batch_proof
from ledger.store.pool import connect
from ledger.store.replay import count_inconsistencies
from ledger.units import Units

ACCOUNTS = economy_accounts()
PARTS = {
    "regulator": ACCOUNTS.regulator,
    "dairy": ACCOUNTS.dairy,
    "supplier": ACCOUNTS.supplier,
}
NOTHING_TOLD: Any = lambda _done, _total: None  # noqa: E731 - as the commands pass it


@pytest.fixture
async def market(ledger_url: str) -> AsyncIterator[Market]:
    async with open_market(ledger_url, economy=True) as opened:
        yield opened


async def act(market: Market, part: str, module: Any, function: str, *arguments: Any) -> None:
    """Call a contract's function in somebody's name."""
    data = call_data(module.artifact(), function, *arguments)
    contract = getattr(market.manifest.economy, module.__name__.rpartition(".")[2])
    chain_id = market.chain.chain_id
    tx_hash = await send(market.node, PARTS[part], Message(contract, data), chain_id=chain_id)
    require_success(await market.node.receipt(tx_hash))


async def attest(market: Market, litres: int) -> bytes:
    """Have a batch of the dairy's accepted; returns its id."""
    economy = market.manifest.economy
    assert economy is not None
    line = Line(
        economy.minting_module,
        market.chain.chain_id,
        address_of(ACCOUNTS.dairy),
        ACCOUNTS.sensors,
    )
    sound = measure(
        line,
        Random(1),  # noqa: S311
        litres=Units(litres * LITRE),
        at_seconds=await chain_time(market.node),
    )
    await submit(market.node, prepare(sound, line), line, dev_account(DEPLOYER_INDEX))
    return sound.batch_id


async def live(market: Market) -> bytes:
    """A batch, a recall and a whole purchase, each in blocks of its own."""
    batch_id = await attest(market, 300)
    await attest(market, 5)
    dairy = address_of(ACCOUNTS.dairy)
    await act(market, "regulator", minting_module, "recall_batch", dairy, batch_id, "too \0 warm")
    deadline = await chain_time(market.node) + 3600
    await act(market, "supplier", milk_market, "list_offer", LITRE, 10, b"\7" * 32, deadline, 600)
    await act(market, "dairy", milk_market, "buy", 1, 2)
    await act(market, "dairy", milk_market, "confirm_delivery", 1)
    return batch_id


async def told(market: Market) -> list[ContractEvent]:
    chain_id = market.chain.chain_id
    found = await read_events_by_block(market.ledger, chain_id, 0, 2**40)
    return [event for events in found.values() for event in events]


def names(events: list[ContractEvent]) -> list[str]:
    return [event.name for event in events]


async def test_everything_said_is_there_live_and_in_bulk_alike(
    market: Market, postgres_url: str, migrated_template: str, tmp_path: Path
) -> None:
    async with indexing(market):
        batch_id = await live(market)
        await market.until_tip()

        async def is_proven() -> bool:
            dairy = to_hex(address_of(ACCOUNTS.dairy))
            found = await read_batch_proof(
                market.ledger, market.chain.chain_id, dairy=dairy, batch_id=to_hex(batch_id)
            )
            return bool(found and found.document)

        await wait_for(is_proven, "the batch's Merkle proof")
    events = await told(market)
    assert names(events)[-9:] == [
        *("BatchAccepted", "PayoutPaid", "BatchAccepted", "PayoutPaid", "BatchRecalled"),
        *("OfferListed", "Purchased", "Redeemed", "PayoutPaid"),
    ]
    recalled = next(event for event in events if event.name == "BatchRecalled")
    assert recalled.arguments["reason"] == "too \ufffd warm"
    assert recalled.arguments["litres"] == str(300 * LITRE)
    await check_sound(market)
    async with fresh_database(postgres_url, template=migrated_template) as url:
        bulk = await backfilled(market, url)
        assert await told(bulk) == events
        # Finality apart, both ledgers are the same to the last row.
        query = "SELECT * FROM contract_event ORDER BY block_number, log_index"
        rows = [await ledger.fetch(query) for ledger in (bulk.ledger, market.ledger)]
        assert rows[0] == rows[1]
        await check_sound(bulk)
        await bulk.ledger.close()
    await check_export(market, events, tmp_path)
    await check_market(market)


async def check_market(market: Market) -> None:
    """What the real contract said, as a dairy and a supplier are told it."""
    chain_id = market.chain.chain_id
    dairy, supplier = (to_hex(address_of(one)) for one in (ACCOUNTS.dairy, ACCOUNTS.supplier))
    (offer,) = await list_offers(market.ledger, chain_id, supplier=supplier, before=None, limit=5)
    assert (offer.arguments["quantity"], offer.bought, offer.is_withdrawn) == ("10", 2, False)
    (bought,) = await list_purchases(
        market.ledger, chain_id, dairy=dairy, supplier=supplier, before=None, limit=5
    )
    found = fold_purchase(bought.arguments, bought.later)
    assert (found.status, found.units, found.redeemed) == ("redeemed", 2 * LITRE, 2 * LITRE)
    assert found.settlement == 6 * LITRE
    none = await list_purchases(
        market.ledger, chain_id, dairy=supplier, supplier=None, before=None, limit=5
    )
    assert none == []


async def backfilled(market: Market, url: str) -> Market:
    connection = await connect(url, application_name="test")
    bulk = replace(market, database_url=url, ledger=connection)
    settings = bulk.settings()
    async with open_sources(settings) as sources:
        anchor = await find_anchor(sources, settings.token_address, start_block=None)
    await register(connection, settings.deployment, anchor=anchor)
    await follow_configured(connection, settings)
    cursor = await read_cursor(connection, settings.chain_id)
    assert cursor is not None
    head = await market.head_number()
    task = await choose_task(market.ledger, settings, node=None, first=None, last=head)
    with ThreadPoolExecutor(2) as pool:
        await backfill_until(connection, pool, cursor, task=task, workers=2)
    return bulk


async def check_sound(market: Market) -> None:
    settings = market.settings()
    assert set((await count_inconsistencies(market.ledger, settings.chain_id)).values()) == {0}
    async with open_sources(settings) as sources:
        report = await replay_check(
            market.ledger,
            sources,
            chain_id=settings.chain_id,
            first=None,
            last=None,
            concurrency=4,
            progress=NOTHING_TOLD,
        )
    assert report.differences == ()


async def check_export(market: Market, events: list[ContractEvent], folder: Path) -> None:
    for kind in ("csv", "parquet"):
        await export_ledger(
            market.ledger,
            chain_id=market.chain.chain_id,
            names=["contract_events"],
            kind=kind,
            folder=folder,
            progress=NOTHING_TOLD,
        )
    with (folder / "contract_events.csv").open(newline="") as file:
        rows = [(row["contract"], row["name"], row["arguments"]) for row in csv.DictReader(file)]
    assert rows == [
        (event.contract, event.name, canonical_arguments(event.arguments)) for event in events
    ]


async def report(market: Market, reporter: int) -> None:
    economy = market.manifest.economy
    assert economy is not None
    message = Message(
        economy.milk_price_feed, call_data(milk_price_feed.artifact(), "report", 725_000_000)
    )
    chain_id = market.chain.chain_id
    tx_hash = await send(market.node, ACCOUNTS.reporters[reporter], message, chain_id=chain_id)
    require_success(await market.node.receipt(tx_hash))


async def test_a_reorganisation_takes_a_mint_and_a_price_back_and_brings_them_again(
    market: Market,
) -> None:
    async with indexing(market):
        for reporter in range(4):
            await report(market, reporter)
        await market.until_tip()
        before = await told(market)
        await attest(market, 7)
        await report(market, 4)
        await market.until_tip()
        gone = await told(market)
        new = names(gone[len(before) :])
        assert new == ["BatchAccepted", "PayoutPaid", "PriceReported", "AnswerUpdated"]
        await market.reorg(2)

        async def is_back() -> bool:
            return await told(market) == before

        await wait_for(is_back, "the ledger without the mint and the price")
        retracted = "SELECT count(*) FROM contract_event WHERE NOT canonical"
        assert await market.ledger.fetchval(retracted) == len(new)
        await report(market, 4)
        await attest(market, 7)
        await market.until_tip()
        again = names((await told(market))[len(before) :])
        assert again == ["PriceReported", "AnswerUpdated", "BatchAccepted", "PayoutPaid"]
    await check_sound(market)


async def test_an_audit_finds_the_altered_event_and_a_reindex_repairs_it(market: Market) -> None:
    async with indexing(market):
        await attest(market, 9)
        await market.mine(8)
        await market.until_tip()

        async def is_final() -> bool:
            final = await market.ledger.fetchval("SELECT finalized_number FROM chain")
            newest = await market.ledger.fetchval("SELECT max(block_number) FROM contract_event")
            return bool(final and newest and final >= newest)

        await wait_for(is_final, "finality")
    settings = market.settings()
    task = await choose_task(market.ledger, settings, node=None)
    with ThreadPoolExecutor(2) as pool:
        assert (
            await audit_range(market.ledger, pool, task, workers=2, progress=NOTHING_TOLD)
        ).is_identical
        true = await told(market)
        await market.ledger.execute(
            """UPDATE contract_event SET arguments = arguments || '{"litres": "1"}'
            WHERE name = 'BatchAccepted'"""
        )
        report = await audit_range(market.ledger, pool, task, workers=2, progress=NOTHING_TOLD)
        assert (report.verdict, report.format) == ("different", "billcoin-audit/2")
        assert report.ledger_events == report.node_events == len(true)
        assert {item["table"] for item in report.differences} == {"contract_event"}
        assert set(report.contracts) == set(settings.events.addresses)
        await reindex(
            market.ledger,
            pool,
            task,
            workers=2,
            swap=True,
            progress=NOTHING_TOLD,
            is_backed=only_node_has_it,
        )
    assert await told(market) == true
    await check_sound(market)


async def test_a_contract_that_is_named_later_is_followed_from_then_on(market: Market) -> None:
    bare = replace(market, manifest=replace(market.manifest, economy=None))
    async with indexing(bare):
        await attest(market, 4)
        await market.until_tip()
    assert await told(market) == []
    with pytest.raises(RejectedError, match="other contracts"):
        await choose_task(market.ledger, market.settings(), node=None)
    async with indexing(market):
        # Told of nothing that was before; a re-index brings it once the beginning is final.
        await attest(market, 6)
        await market.mine(8)
        await market.until_tip()
    assert names(await told(market)) == ["BatchAccepted", "PayoutPaid"]
    since = await market.ledger.fetchval("SELECT min(since_number) FROM followed_contract")
    start = await market.ledger.fetchval("SELECT start_number FROM chain")
    assert since > start
    task = await choose_task(market.ledger, market.settings(), node=None)
    with ThreadPoolExecutor(2) as pool:
        await reindex(
            market.ledger,
            pool,
            task,
            workers=2,
            swap=True,
            progress=NOTHING_TOLD,
            is_backed=only_node_has_it,
        )
    assert names(await told(market)).count("BatchAccepted") == 2
    assert await market.ledger.fetchval("SELECT min(since_number) FROM followed_contract") == start
    # Once followed, it cannot be forgotten: what it says meanwhile would be missing unseen.
    with pytest.raises(FollowedContractsError, match="minting_module"):
        await follow_configured(market.ledger, bare.settings())


async def test_an_address_with_another_contract_is_refused_before_anything_is_read(
    market: Market,
) -> None:
    economy = market.manifest.economy
    assert economy is not None
    swapped = replace(economy, milk_market=economy.minting_module)
    settings = replace(market, manifest=replace(market.manifest, economy=swapped)).settings()
    async with open_sources(settings) as sources:
        with pytest.raises(WrongDeploymentError, match="BILLCOIN_MILK_MARKET_ADDRESS"):
            await check_deployment_on_chain(sources, settings.deployment, settings.events)
