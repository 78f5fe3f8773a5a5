"""One node: validators attest, sales are paid and settle, finality stops and resumes, restart."""

import json
import os
import sys
import time
from collections.abc import AsyncIterator
from statistics import median
from typing import Any

import pytest
import pytest_asyncio
from devnet_run import (
    Devnet,
    height,
    is_ready,
    listening_addresses,
    open_till,
    order_status,
    readiness,
    running,
    until,
    until_settled,
)

from devnet.background.identity import start_of
from devnet.background.people import STUDENT_INDEX
from devnet.dev_accounts import dev_account
from devnet.manifest import read_manifest
from devnet.node import open_node
from devnet.payment import broadcast, plan_payment
from devnet.pos.beacon import open_beacon
from devnet.pos.genesis import VALIDATORS
from devnet.transactions import address_of

pytestmark = [pytest.mark.timeout(1200), pytest.mark.asyncio(loop_scope="module")]
SALES = 20
ROUNDS = 2
PAID_WITHIN_SECONDS = 3.0
LOOPBACK = {"0100007F"}
STALLED_AFTER_SECONDS = "24"
EPOCHS_TO_LOOK = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def devnet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Devnet]:
    settings = {"BILLCOIN_MAX_TIP_AGE_SECONDS": STALLED_AFTER_SECONDS}
    home = tmp_path_factory.mktemp("pos")
    async with running(Devnet(home, settings=settings)) as up:
        yield up


async def test_validators_attest_and_safe_and_finalized_advance(devnet: Devnet) -> None:
    beacon_url = (await devnet.status())["controls"]["beacon-1"]
    node_url = (await devnet.status())["nodeUrls"][0]
    async with open_beacon(beacon_url) as beacon:
        votes = await until("an attestation", beacon.head_attestations)
        assert votes <= VALIDATORS

        async def two_epochs_final() -> bool:
            return (await beacon.checkpoints()).finalized >= 2

        await until("finality", two_epochs_final)

    async def moved() -> bool:
        heights = [await height(node_url, tag) for tag in ("finalized", "safe", "latest")]
        return 0 < heights[0] < heights[1] < heights[2]

    await until("finalized < safe < latest", moved)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which process listens where")
async def test_nothing_listens_to_another_machine(devnet: Devnet) -> None:
    record = await devnet.status()
    pids = {process["pid"] for process in record["processes"].values()}
    found = listening_addresses(pids | {record["keeper"]["pid"]})
    assert found == LOOPBACK, found


async def test_sales_are_paid_within_three_seconds_at_the_median_and_settle(
    devnet: Devnet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice at the most: a machine that has other work for a minute is not slow yet."""
    told = []
    for _ in range(ROUNDS):
        told.append(await _sell(devnet))
        with capsys.disabled():
            sys.stdout.write("\n" + json.dumps(told[-1]) + "\n")
        if told[-1]["medianSeconds"] <= PAID_WITHIN_SECONDS:
            break
    assert told[-1]["medianSeconds"] <= PAID_WITHIN_SECONDS, told


async def _sell(devnet: Devnet) -> dict[str, Any]:
    """Sell one after the other, see all of them settled, and tell how long "Paid" took."""
    manifest, student = read_manifest(devnet.variables()), dev_account(STUDENT_INDEX)
    beacon_url = (await devnet.status())["controls"]["beacon-1"]
    seconds: list[float] = []
    async with (
        devnet.oracle() as oracle,
        open_node(manifest.node_http_url) as node,
        open_beacon(beacon_url) as beacon,
        open_till(oracle) as till,
    ):
        orders = []
        slot, block = await beacon.head_slot(), await height(node.url)
        for _ in range(SALES):
            order = await oracle.create_order("fresh-250ml", 1)
            orders.append(order)
            plan = await plan_payment(
                node, order["paymentUri"], address_of(student), deployment=manifest.deployment
            )
            await broadcast(node, plan, student)
            sent_at = time.perf_counter()
            seconds.append(await till.hears(order, "paid", "settled") - sent_at)
        slots, blocks = await beacon.head_slot() - slot, await height(node.url) - block
        for order in orders:
            await till.hears(order, "settled")
            assert till.statuses(order)[-2:] == ["paid", "settled"]
    return {
        "figure": "broadcast to Paid on the till, proof of stake, 2 s slots",
        "sales": SALES,
        "medianSeconds": round(median(seconds), 2),
        "maxSeconds": round(max(seconds), 2),
        "missedSlots": max(0, slots - blocks),
        "loadAverage": round(os.getloadavg()[0], 1),
    }


async def test_without_a_third_of_the_validators_nothing_becomes_final_until_they_are_back(
    devnet: Devnet,
) -> None:
    oracle_url = devnet.variables()["BILLCOIN_ORACLE_URL"]
    beacon_url = (await devnet.status())["controls"]["beacon-1"]
    await devnet.do("fault", "stop-validators")
    async with devnet.oracle() as oracle, open_beacon(beacon_url) as beacon:
        small = await oracle.create_order("fresh-250ml", 1)
        paid = await devnet.pay(small)
        # Finality that was on its way already may still arrive; after that there is none.
        stopped_at = (await beacon.head_slot()) + 2 * 4

        async def past(slot: int) -> bool:
            return await beacon.head_slot() > slot

        await until("the last finality", lambda: past(stopped_at))
        before = await beacon.checkpoints()
        await until("more epochs", lambda: past(stopped_at + EPOCHS_TO_LOOK * 4))
        assert (await beacon.checkpoints()).finalized == before.finalized
        assert await order_status(oracle, small) == "paid"
        verdict = await oracle.validate(bytes.fromhex(paid["txHash"][2:]), small["amountDue"])
        assert (verdict["valid"], verdict["verdict"]["finality"]) == (True, "included")
        # The oracle says how far behind finality is.
        ready = await readiness(oracle_url)
        as_of = verdict["verdict"]["asOf"]
        lag = as_of["blockNumber"] - as_of["finalizedBlockNumber"]
        assert lag > EPOCHS_TO_LOOK * 2
        assert ready["blockNumber"] - ready["finalizedBlockNumber"] >= lag
        await devnet.do("fault", "start-validators")

        async def resumed() -> bool:
            return (await beacon.checkpoints()).finalized > before.finalized

        await until("finality again", resumed)
    await until_settled(devnet, small)


async def test_a_chain_without_blocks_makes_the_oracle_refuse_and_resumes(devnet: Devnet) -> None:
    oracle_url = devnet.variables()["BILLCOIN_ORACLE_URL"]
    await devnet.do("fault", "pause-blocks")

    async def refuses() -> bool:
        return (await readiness(oracle_url)).get("code") == "chain_stalled"

    await until("the doubt", refuses)
    assert (await devnet.status())["oracle"] == "chain_stalled"
    await devnet.do("fault", "resume-blocks")
    await until("blocks again", lambda: is_ready(oracle_url))


async def test_a_fault_of_the_other_profile_names_it(devnet: Devnet) -> None:
    code, _, error = await devnet.run("fault", "lie")
    assert code == 2
    assert "fault_of_other_profile" in error
    assert "--profile fast" in error
    code, _, error = await devnet.run("fault", "partition")
    assert code == 2
    assert "nodes_missing" in error


async def test_everything_goes_on_where_it_stopped(devnet: Devnet) -> None:
    before, addresses = await devnet.status(), devnet.variables()
    tip = before["chain"][0]["latest"]
    assert (await devnet.do("down"))["stopped"]
    assert not [
        name for name, told in before["processes"].items() if start_of(told["pid"]) is not None
    ]
    await devnet.up()
    after = devnet.variables()
    assert after["BILLCOIN_TOKEN_ADDRESS"] == addresses["BILLCOIN_TOKEN_ADDRESS"]
    assert (await devnet.status())["chain"][0]["latest"] >= tip
    student = after["BILLCOIN_DEVNET_STUDENT_ADDRESS"]
    given = await devnet.do("faucet", student, "--bill", "3", "--gas", "1")
    assert given["bill"] == "3"
    async with devnet.oracle() as oracle:
        order = await oracle.create_order("fresh-250ml", 1)
        await devnet.pay(order)
    await until_settled(devnet, order)
