"""The relay when node, mempool, chain, database or gas are in trouble: one transfer, in the end."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from eth_account import Account
from market import wait_for
from oracle_support import served, until_journal_is_read
from relay_proxy import RelayProxy, Trouble
from relay_scene import (
    RELAYER_INDEX,
    SUBMIT,
    Scene,
    new_wallet,
    open_scene,
    relay_settings,
    write_key,
)

from devnet.dev_accounts import dev_account
from ledger.json_hex import to_hex
from ledger.order import Status
from oracle_api.relay.node import Receipt, RelayNode

pytestmark = pytest.mark.asyncio(loop_scope="module")

RELAYER = dev_account(RELAYER_INDEX)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    module_ledger_url: str, tmp_path_factory: pytest.TempPathFactory, proxy: RelayProxy
) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("relay")
    async with open_scene(module_ledger_url, folder, through=proxy) as scene:
        yield scene


@pytest.fixture(autouse=True)
def _no_trouble_left(proxy: RelayProxy) -> None:
    proxy.make(Trouble.NONE, times=0)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    "trouble",
    [
        Trouble.TAKES_AND_FAILS,
        Trouble.TAKES_AND_HANGS_UP,
        Trouble.REFUSES,
        Trouble.HANGS_UP,
        Trouble.LOSES,
    ],
)
async def test_whatever_the_node_answers_the_same_bytes_land_once(
    scene: Scene, proxy: RelayProxy, trouble: Trouble, times: int
) -> None:
    order = await scene.client.order()
    before = await scene.relayer_nonce()
    proxy.make(trouble, times=times)
    status, answer = await scene.submit(scene.sign(order))
    assert status == 202, answer
    await scene.until_paid(answer["relayId"])
    assert await scene.transfers_to(order) == 1
    assert await scene.relayer_nonce() == before + 1
    assert await scene.signed_count(answer["relayId"]) == 1
    assert len(set(proxy.sent)) == 1


async def test_a_block_between_two_questions_of_the_watch_is_the_relay_s_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks for the receipt, the block comes, and the authorisation is found used."""
    order, asked = await scene.client.order(), RelayNode.receipt
    async with scene.without_mining():
        _, answer = await scene.submit(scene.sign(order))
        sent = answer["txHash"]

        async def answer_and_mine(node: RelayNode, tx_hash: bytes) -> Receipt | None:
            found = await asked(node, tx_hash)
            if found is None and to_hex(tx_hash) == sent:
                await scene.market.mine()
            return found

        monkeypatch.setattr(RelayNode, "receipt", answer_and_mine)
        landed = await scene.until(answer["relayId"], "included")
    assert (landed["landedBy"], landed["txHash"]) == ("relayer", sent)
    cost = "SELECT cost_wei FROM relay_submission WHERE id = $1"
    assert await scene.market.ledger.fetchval(cost, answer["relayId"]) > 0


async def test_a_node_without_a_pending_block_is_asked_about_its_newest(
    scene: Scene, proxy: RelayProxy
) -> None:
    proxy.make(Trouble.NO_PENDING_BLOCK)
    order = await scene.client.order()
    status, answer = await scene.submit(scene.sign(order))
    assert status == 202, answer
    await scene.until_paid(answer["relayId"])
    assert await scene.transfers_to(order) == 1


async def test_without_its_node_the_relay_takes_nothing_over(
    scene: Scene, proxy: RelayProxy
) -> None:
    order = await scene.client.order()
    body = scene.sign(order)
    proxy.make(Trouble.IS_AWAY)
    status, problem = await scene.submit(body)
    assert (status, problem["code"], problem["retryable"]) == (503, "relay_unavailable", True)
    assert proxy.url not in str(problem)
    proxy.make(Trouble.NONE)
    status, answer = await scene.submit(body, wait=20)
    assert (status, answer["orderStatus"]) == (202, "paid")


async def test_a_stuck_transaction_is_replaced_under_its_nonce(scene: Scene) -> None:
    async with scene.without_mining():
        order, answer = await scene.submit_stuck()
        await scene.until_signed(answer["relayId"], 2)
    landed = await scene.until_paid(answer["relayId"])
    assert landed["txHash"] != answer["txHash"]
    assert await scene.transfers_to(order) == 1
    nonces = await scene.market.ledger.fetch(
        "SELECT tx_nonce, max_fee_wei, tip_wei FROM relay_transaction WHERE submission_id = $1 "
        "ORDER BY max_fee_wei",
        answer["relayId"],
    )
    assert nonces[0]["tx_nonce"] == nonces[1]["tx_nonce"]
    assert nonces[1]["max_fee_wei"] * 8 >= nonces[0]["max_fee_wei"] * 9
    assert nonces[1]["tip_wei"] * 8 >= nonces[0]["tip_wei"] * 9


async def test_a_transaction_that_a_node_forgot_holds_up_nobody(scene: Scene) -> None:
    orders = [await scene.client.order() for _ in range(3)]
    async with scene.without_mining():
        answers = [(await scene.submit(scene.sign(order)))[1] for order in orders]
        await scene.market.node.call("anvil_dropTransaction", answers[1]["txHash"])

        async def is_back() -> bool:
            found = await scene.market.node.call("eth_getTransactionByHash", answers[1]["txHash"])
            return found is not None

        await wait_for(is_back, "the forgotten transaction")
    for answer in answers:
        await scene.until_paid(answer["relayId"])


async def test_what_a_reorganisation_drops_is_sent_again(scene: Scene) -> None:
    order = await scene.client.order()
    await scene.market.mine(3)
    _, answer = await scene.submit(scene.sign(order))
    await scene.until_paid(answer["relayId"])
    async with scene.without_mining():
        await scene.market.reorg(1)
        await scene.market.until(order["id"], Status.REVERSED)
        await scene.until(answer["relayId"], "broadcast")
    await scene.market.until(order["id"], Status.PAID)
    await scene.until_paid(answer["relayId"])
    assert await scene.transfers_to(order) == 1
    assert await scene.signed_count(answer["relayId"]) == 1

    async def is_sure() -> bool:
        return (await scene.client.call("GET", "/readyz"))[0] == 200

    # Just after it no node has agreed with the new branch yet, and nothing else is taken over.
    await wait_for(is_sure, "an oracle that is sure again")


async def test_a_nonce_that_was_used_elsewhere_is_made_up_for(scene: Scene) -> None:
    order = await scene.client.order()
    node = scene.market.node
    async with scene.without_mining():
        nonce = await scene.relayer_nonce()
        await node.call("anvil_setNextBlockBaseFeePerGas", hex(10**9))
        status, answer = await scene.submit(scene.sign(order))
        assert status == 202, answer
        signed = RELAYER.sign_transaction(
            {
                "type": 2,
                "chainId": scene.settings.chain_id,
                "nonce": nonce,
                "to": RELAYER.address,
                "value": 0,
                "gas": 21_000,
                "maxFeePerGas": 90 * 10**9,
                "maxPriorityFeePerGas": 80 * 10**9,
            }
        )
        await node.call("eth_sendRawTransaction", to_hex(bytes(signed.raw_transaction)))
        await scene.market.mine(scene.settings.relayer_stuck_blocks + 2)
    await scene.until_paid(answer["relayId"])
    assert await scene.transfers_to(order) == 1
    assert await scene.signed_count(answer["relayId"]) == 2


async def test_nonces_whose_transactions_a_database_lost_are_filled(scene: Scene) -> None:
    order = await scene.client.order()
    async with scene.without_mining():
        await scene.market.ledger.execute("UPDATE relayer SET next_nonce = next_nonce + 2")
        _, answer = await scene.submit(scene.sign(order))

        async def are_filled() -> bool:
            count: int = await scene.market.ledger.fetchval(
                "SELECT count(*) FROM relay_transaction WHERE submission_id IS NULL"
            )
            return count == 2

        await wait_for(are_filled, "two fillers")
    await scene.until_paid(answer["relayId"])


async def test_a_transaction_that_only_the_node_knows_is_not_replaced(scene: Scene) -> None:
    """A failover lost the newest rows: what was signed for them may be somebody's payment."""
    order = await scene.client.order()
    ledger = scene.market.ledger
    async with scene.without_mining():
        _, lost = await scene.submit(scene.sign(order))
        for statement in (
            "DELETE FROM relay_transaction WHERE submission_id = $1",
            "DELETE FROM relay_submission WHERE id = $1",
        ):
            await ledger.execute(statement, lost["relayId"])
        await ledger.execute("UPDATE relayer SET next_nonce = next_nonce - 1")
        _, next_one = await scene.submit(scene.sign(await scene.client.order()))
        assert await scene.signed_count(next_one["relayId"]) == 1
    await scene.until_paid(next_one["relayId"])
    await scene.market.until(order["id"], Status.PAID)


async def refusal_of(scene: Scene, **changes: Any) -> tuple[int, str]:
    """What an oracle with other settings answers to a good authorisation."""
    settings = relay_settings(scene.market, scene.folder, **changes)
    order = await scene.client.order()
    async with served(settings) as client:
        await until_journal_is_read(client)
        status, problem = await scene.submit(scene.sign(order), client=client)
    return status, problem.get("code", "")


async def test_our_gas_is_bounded(scene: Scene, tmp_path: Path) -> None:
    poor = write_key(tmp_path, Account.from_key(os.urandom(32)))
    assert await refusal_of(scene, relayer_key_file=poor) == (503, "relayer_out_of_gas")
    assert await refusal_of(scene, relayer_daily_gas_coin="0.0000001") == (
        *(503,),
        "relayer_budget_exhausted",
    )
    await scene.market.node.call("anvil_setNextBlockBaseFeePerGas", hex(5 * 10**9))
    await scene.market.mine()
    assert await refusal_of(scene, relayer_max_fee_gwei=1) == (503, "gas_too_dear")
    assert await refusal_of(scene, relayer_payer_daily_limit=1) == (429, "payer_budget_exhausted")
    async with scene.without_mining():
        _, waiting = await scene.submit(scene.sign(await scene.client.order()))
        assert await refusal_of(scene, relayer_max_outstanding=1) == (503, "relayer_busy")
    await scene.until_paid(waiting["relayId"])


async def test_a_wallet_s_budget_holds_when_all_its_payments_come_at_once(scene: Scene) -> None:
    settings = relay_settings(scene.market, scene.folder, relayer_payer_daily_limit=3)
    wallet = await new_wallet(scene.market)
    orders = [await scene.client.order() for _ in range(8)]
    async with served(settings) as client:
        await until_journal_is_read(client)
        answers = await asyncio.gather(
            *(scene.submit(scene.sign(order, wallet=wallet), client=client) for order in orders)
        )
    assert sorted(status for status, _ in answers) == [202] * 3 + [429] * 5


async def test_without_a_relay_the_route_says_so_and_old_submissions_are_still_told(
    scene: Scene,
) -> None:
    order = await scene.client.order()
    _, answer = await scene.submit(scene.sign(order), wait=20)
    settings = relay_settings(
        scene.market, scene.folder, relayer_node_url=None, relayer_key_file=None
    )
    async with served(settings) as client:
        status, problem, _ = await client.call("POST", SUBMIT, json=scene.sign(order))
        assert (status, problem["code"], problem["retryable"]) == (501, "relay_off", False)
        status, told, _ = await client.call(
            "GET", f"/api/v1/payments/submissions/{answer['relayId']}"
        )
        assert (status, told["relayId"]) == (200, answer["relayId"])


async def test_a_node_of_another_chain_is_not_used(scene: Scene, proxy: RelayProxy) -> None:
    proxy.make(Trouble.OTHER_CHAIN)
    assert await refusal_of(scene, relayer_node_url=proxy.url) == (503, "relay_unavailable")
