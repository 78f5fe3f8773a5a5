"""What the store answers: orders and their pages, evidence, observations, counts, replays."""

import dataclasses
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from store_world import (
    ANCHOR,
    CHAIN_ID,
    DEPLOYMENT,
    DUE,
    NOW,
    Ledger,
    make_block,
    open_ledger,
    ref,
    tx,
)

from ledger.confidence import Observation
from ledger.order import Finality, Status
from ledger.store.cursor import (
    DeploymentMismatchError,
    check_deployment,
    read_cursor,
    register,
)
from ledger.store.journal import append_events, read_events_after, read_last_seq
from ledger.store.lookup import order_exists, prefer_indexes, read_evidence, read_evidences
from ledger.store.observation import (
    Halt,
    clear_halt,
    read_observation,
    record_halt,
    record_observation,
)
from ledger.store.orders import list_orders, read_order_by_id
from ledger.store.pool import connect, open_pool
from ledger.store.replay import (
    count_inconsistencies,
    find_misclaimed,
    read_block_hashes,
    read_standings_after,
    read_start,
    read_transfers_by_block,
)
from ledger.store.standings import CANONICAL_PAYMENTS, refresh_standings
from ledger.store.tally import read_tally


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as opened:
        yield opened


async def test_a_new_database_knows_nothing(ledger_url: str) -> None:
    connection = await connect(ledger_url, application_name="test")
    assert await read_cursor(connection, CHAIN_ID) is None
    assert await read_start(connection, CHAIN_ID) is None
    assert await check_deployment(connection, DEPLOYMENT) is False
    assert await read_evidence(connection, CHAIN_ID, tx("t1")) is None
    assert await read_observation(connection, CHAIN_ID) is None
    assert await read_last_seq(connection) == 0
    assert await read_events_after(connection, 0, limit=10) == []
    tally = await read_tally(connection)
    assert (tally.last_seq, tally.by_status, tally.ever_paid) == (0, {}, 0)
    await connection.close()


async def test_registering_twice_changes_nothing(ledger: Ledger) -> None:
    await ledger.grow()
    later = make_block(ledger.tip).header
    async with ledger.connection.transaction():
        await register(ledger.connection, DEPLOYMENT, anchor=ANCHOR)
    cursor = await ledger.cursor()
    assert cursor.tip == ref(ledger.tip) != ref(later)
    assert await check_deployment(ledger.connection, DEPLOYMENT) is True
    assert await read_start(ledger.connection, CHAIN_ID) == 1


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(DEPLOYMENT)])
async def test_a_database_of_another_deployment_is_refused(ledger: Ledger, name: str) -> None:
    changed: object = CHAIN_ID + 1 if name == "chain_id" else b"\xff" * 20
    other = dataclasses.replace(DEPLOYMENT, **{name: changed})
    with pytest.raises(DeploymentMismatchError, match="another database"):
        await check_deployment(ledger.connection, other)
    with pytest.raises(DeploymentMismatchError):
        async with ledger.connection.transaction():
            await register(ledger.connection, other, anchor=ANCHOR)
    assert await check_deployment(ledger.connection, DEPLOYMENT) is True


async def test_an_order_is_read_as_it_was_written(ledger: Ledger) -> None:
    order = await ledger.order("milk", due=2**256 - 1, finality=Finality.SAFE, reference="table 4")
    stored = await ledger.read(order)
    written = dataclasses.asdict(order)
    read = dataclasses.asdict(stored)
    shared = written.keys() & read.keys()
    assert {name: read[name] for name in shared} == {name: written[name] for name in shared}
    assert (stored.status, stored.version) == (Status.AWAITING_PAYMENT, 1)
    assert await order_exists(ledger.connection, order.id)
    assert not await order_exists(ledger.connection, "ord_unknown")
    assert await read_order_by_id(ledger.connection, "ord_unknown") is None


async def test_orders_are_listed_by_status_newest_first_and_page_by_page(ledger: Ledger) -> None:
    orders = [await ledger.order(f"{index}") for index in range(5)]
    await ledger.grow((orders[2].address, DUE, "t1"))

    async def page(*statuses: Status, before: str | None = None, limit: int = 2) -> list[str]:
        found = await list_orders(ledger.connection, statuses, before_id=before, limit=limit)
        return [order.id for order in found]

    waiting = Status.AWAITING_PAYMENT
    assert await page(waiting) == ["ord_4", "ord_3"]
    assert await page(waiting, before="ord_3") == ["ord_1", "ord_0"]
    assert await page(waiting, before="ord_0") == []
    assert await page(Status.PAID) == ["ord_2"]
    assert await page(waiting, Status.PAID, limit=9) == [
        f"ord_{index}" for index in (4, 3, 2, 1, 0)
    ]
    assert await page() == []


async def test_the_tally_counts_orders_and_those_ever_paid(ledger: Ledger) -> None:
    orders = [await ledger.order(f"{index}") for index in range(4)]
    fork = ledger.tip
    await ledger.grow((orders[0].address, DUE, "t1"), (orders[1].address, DUE, "t2"))
    await ledger.apply(make_block(fork, (orders[1].address, DUE, "t2"), branch="b"), fork=fork)
    tally = await read_tally(ledger.connection)
    assert tally.by_status == {
        Status.AWAITING_PAYMENT: 2,
        Status.PAID: 1,
        Status.REVERSED: 1,
    }
    assert tally.ever_paid == 2
    assert tally.last_seq == await read_last_seq(ledger.connection)


async def test_evidence_tells_where_a_transaction_stands(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    await ledger.grow((order.address, 4, "mine"), (order.address, 6, "anothers"))
    await ledger.grow((b"\x77" * 20, 5, "strange"))
    asked = [tx(name) for name in ("mine", "strange", "unknown")]
    found = await read_evidences(ledger.connection, CHAIN_ID, asked)
    assert list(found) == asked
    mine, strange, unknown = (found[item] for item in asked)
    assert mine.tip_hash == ledger.tip.hash
    assert mine.depths == (await ledger.cursor()).depths
    (candidate,) = mine.sighting.candidates
    assert candidate.order.id == order.id
    assert sorted(payment.amount for payment in candidate.payments) == [4, 6]
    assert (strange.sighting.is_canonical, strange.sighting.candidates) == (True, ())
    assert not unknown.sighting.is_canonical
    assert not unknown.sighting.was_retracted
    await ledger.apply(make_block(fork, branch="b"), fork=fork)
    gone = await read_evidence(ledger.connection, CHAIN_ID, tx("mine"))
    assert gone is not None
    assert (gone.sighting.is_canonical, gone.sighting.was_retracted) == (False, True)
    assert gone.sighting.candidates == ()


async def test_evidence_is_the_same_whatever_the_planner_prefers(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    await ledger.grow((order.address, DUE, "t1"))
    before = await read_evidence(ledger.connection, CHAIN_ID, tx("t1"))
    await prefer_indexes(ledger.connection)
    assert await read_evidence(ledger.connection, CHAIN_ID, tx("t1")) == before


async def test_a_plan_of_an_empty_ledger_does_not_read_all_transfers(ledger_url: str) -> None:
    connection = await connect(ledger_url, application_name="test")
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE payments AS {CANONICAL_PAYMENTS}")
    rows = await connection.fetch("EXPLAIN EXECUTE payments ('{}')")
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan
    assert re.search(r"transfer_pkey.*\n.*chain_id.*block_hash.*log_index", plan), plan
    await connection.close()


async def test_a_halt_outlasts_observations_until_it_is_cleared(ledger: Ledger) -> None:
    seen = {"head_number": 9, "nodes_agreeing": 1, "nodes_asked": 2}
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    await record_observation(ledger.connection, CHAIN_ID, **seen, checked_at=moment)
    expected = Observation(**seen, checked_at=moment.timestamp())
    assert await read_observation(ledger.connection, CHAIN_ID) == expected
    await record_halt(ledger.connection, CHAIN_ID, code="finality_conflict", reason="look")
    await record_observation(ledger.connection, CHAIN_ID, **seen, checked_at=moment)
    halted = dataclasses.replace(expected, halt_code="finality_conflict", halt_reason="look")
    assert await read_observation(ledger.connection, CHAIN_ID) == halted
    evidence = await read_evidence(ledger.connection, CHAIN_ID, tx("t1"))
    assert evidence is not None
    assert evidence.observation == halted
    cleared = [await clear_halt(ledger.connection, CHAIN_ID) for _ in range(2)]
    assert cleared == [Halt("finality_conflict", "look"), None]
    assert await read_observation(ledger.connection, CHAIN_ID) == expected


async def test_a_halt_before_any_observation_is_kept(ledger: Ledger) -> None:
    await record_halt(ledger.connection, CHAIN_ID, code="finality_conflict", reason="look")
    found = await read_observation(ledger.connection, CHAIN_ID)
    assert found is not None
    assert (found.halt_code, found.nodes_agreeing) == ("finality_conflict", 0)


async def test_a_replay_reads_back_what_was_applied(ledger: Ledger) -> None:
    orders = [await ledger.order(f"{index}") for index in range(3)]
    fork = ledger.tip
    await ledger.grow((orders[0].address, DUE, "t1"))
    block = make_block(fork, (orders[1].address, 2**256 - 1, "t2"), branch="b")
    await ledger.apply(block, fork=fork)
    empty = await ledger.grow()
    assert await read_block_hashes(ledger.connection, CHAIN_ID, 1, 9) == {
        1: block.header.hash,
        2: empty.header.hash,
    }
    assert await read_transfers_by_block(ledger.connection, CHAIN_ID, 0, 9) == {
        block.header.hash: list(block.transfers)
    }
    first = await read_standings_after(ledger.connection, CHAIN_ID, "", limit=2)
    rest = await read_standings_after(ledger.connection, CHAIN_ID, "ord_1", limit=2)
    assert [(item.order.id, item.status, len(item.payments)) for item in [*first, *rest]] == [
        ("ord_0", Status.REVERSED, 0),
        ("ord_1", Status.PAID, 1),
        ("ord_2", Status.AWAITING_PAYMENT, 0),
    ]
    assert first[1].amount_owed_back == 2**256 - 1 - DUE


async def test_a_damaged_ledger_is_found_out(ledger: Ledger) -> None:
    order = await ledger.order("milk", customer=b"\x05" * 32)
    await ledger.grow((order.address, DUE, "t1"), (order.address, 1, "t2"))
    await ledger.require_sound()
    await ledger.connection.execute("DELETE FROM payment WHERE log_index = 1")
    assert await find_misclaimed(ledger.connection, CHAIN_ID) == [(1, 1)]
    await ledger.connection.execute("UPDATE transfer SET canonical = false WHERE log_index = 0")
    await ledger.connection.execute("UPDATE contract_event SET canonical = false")
    await ledger.connection.execute("DELETE FROM event WHERE seq = 1")
    await ledger.connection.execute("DELETE FROM posting")
    await ledger.connection.execute(
        "INSERT INTO coupon (id, customer, number, order_id, status, made_at)"
        " SELECT 'cpn_forged', customer, 1, id, 'usable', now() FROM orders"
    )
    found = await count_inconsistencies(ledger.connection, CHAIN_ID)
    assert found == {
        "transfers_unlike_their_block": 1,
        "contract_events_unlike_their_block": 1,
        "journal_gaps": 1,
        "orders_with_wrong_points": 1,
        "exposures_unlike_the_orders": 0,
        "loyalty_accounts_out_of_balance": 1,
        "coupons_unlike_their_postings": 1,
    }


async def test_nothing_to_refresh_and_nothing_to_tell_touches_nothing(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    depths = (await ledger.cursor()).depths
    assert await refresh_standings(ledger.connection, [], depths, now=NOW) == []
    assert await refresh_standings(ledger.connection, [order.id], depths, now=NOW) == []
    assert await append_events(ledger.connection, [], now=NOW) == []
    assert await ledger.event_types(order) == ["created"]


async def test_events_are_read_in_order_and_page_by_page(ledger: Ledger) -> None:
    for index in range(5):
        await ledger.order(f"{index}")
    first = await read_events_after(ledger.connection, 0, limit=3)
    rest = await read_events_after(ledger.connection, 3, limit=3)
    assert [event.seq for event in [*first, *rest]] == [1, 2, 3, 4, 5]
    assert (rest[1].type, rest[1].order_id, rest[1].data) == (
        "order.created",
        "ord_4",
        {"orderId": "ord_4"},
    )
    assert rest[1].created_at == NOW


async def test_every_pooled_connection_reads_json_and_has_a_time_limit(ledger_url: str) -> None:
    pool = await open_pool(
        ledger_url, application_name="test", max_size=1, statement_timeout_seconds=0.05
    )
    assert await pool.fetchval("SELECT '{\"a\": [1]}'::jsonb") == {"a": [1]}
    assert await pool.fetchval("SELECT $1::jsonb", {"b": None}) == {"b": None}
    assert await pool.fetchval("SHOW application_name") == "test"
    with pytest.raises(TimeoutError):
        await pool.fetchval("SELECT pg_sleep(60)")
    await pool.close()
