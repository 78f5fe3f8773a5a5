"""Wallets without gas pay through the relay: once, whatever happens, and nothing else."""

import asyncio
import json
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from node_program import answer_of
from partner_guide import command
from relay_scene import SUBMIT, Scene, new_wallet, open_scene

from ledger.json_hex import to_hex
from ledger.order import Status
from ledger.units import Units

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    module_ledger_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    async with open_scene(module_ledger_url, tmp_path_factory.mktemp("relay")) as scene:
        yield scene


async def test_a_wallet_without_gas_pays_and_the_till_hears_it(scene: Scene) -> None:
    order = await scene.client.order()
    async with scene.client.stream() as stream:
        status, answer = await scene.submit(scene.sign(order))
        assert status == 202, answer
        assert answer["relayId"].startswith("rly_")
        while True:
            event = await stream.next()
            if event.event == "order.paid" and event.data["data"]["orderId"] == order["id"]:
                break
    landed = await scene.until(answer["relayId"], "included", landedBy="relayer")
    assert landed["txHash"] == answer["txHash"]
    assert (
        await scene.market.node.quantity("eth_getBalance", scene.wallet.account.address, "latest")
        == 0
    )
    verdict = await scene.client.validate(answer["txHash"], order["amountDue"])
    assert verdict["valid"] is True


async def test_the_same_authorisation_is_broadcast_once_and_answered_alike(scene: Scene) -> None:
    order = await scene.client.order()
    body = scene.sign(order)
    before = await scene.relayer_nonce()
    answers = await asyncio.gather(*(scene.submit(body) for _ in range(20)))
    assert {status for status, _ in answers} == {202}
    (relay_id,) = {answer["relayId"] for _, answer in answers}
    await scene.until_paid(relay_id)
    # The order is paid by now: it is still the same question with the same answer.
    status, again = await scene.submit(body)
    assert (status, again["relayId"], again["orderStatus"]) == (202, relay_id, "paid")
    assert await scene.transfers_to(order) == 1
    assert await scene.relayer_nonce() == before + 1
    assert await scene.signed_count(relay_id) == 1


async def test_answers_look_as_openapi_shows_them(scene: Scene) -> None:
    _, document, _ = await scene.client.call("GET", "/openapi.json")

    def example(path: str, method: str, status: int) -> Any:
        (content,) = document["paths"][path][method]["responses"][str(status)]["content"].values()
        return content["example"]

    order = await scene.client.order()
    body = scene.sign(order)
    request = document["components"]["schemas"]["SubmitRequest"]
    assert set(request["examples"][0]) == set(request["required"]) == set(body)
    status, answer = await scene.submit(body, wait=20)
    assert set(answer) == set(example(SUBMIT, "post", status))
    shown = example("/api/v1/payments/submissions/{submission_id}", "get", 200)
    assert set(await scene.show(answer["relayId"])) == set(shown)
    for refused, expected in (
        (body | {"value": "1"}, 400),
        (body | {"orderId": "ord_" + "0" * 26}, 404),
        (scene.sign(order), 409),
    ):
        status, problem = await scene.submit(refused)
        assert status == expected
        assert set(problem) == set(example(SUBMIT, "post", status))


async def test_a_submission_may_wait_until_the_order_is_paid(scene: Scene) -> None:
    order = await scene.client.order()
    status, answer = await scene.submit(scene.sign(order), wait=20)
    assert (status, answer["orderStatus"]) == (202, "paid")
    shown = await scene.show(answer["relayId"], wait=20)
    assert shown["orderStatus"] == "paid"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_the_guide_s_command_pays_an_order(scene: Scene) -> None:
    before, _, after = command("pay without gas").partition("'{")
    assert after
    body = scene.sign(await scene.client.order())
    shown = re.findall(r'"(\w+)": "', after)
    assert set(shown) == set(body)
    paying = f"{before}'{json.dumps(body)}'"
    answer = await answer_of("sh", "-c", paying, ORACLE=scene.client.base)
    assert answer["orderStatus"] == "paid"


async def test_twenty_payers_at_once_all_pay_without_a_gap_in_the_nonces(scene: Scene) -> None:
    orders = [await scene.client.order() for _ in range(20)]
    before = await scene.relayer_nonce()
    answers = await asyncio.gather(*(scene.submit(scene.sign(order)) for order in orders))
    for status, answer in answers:
        assert status == 202, answer
    for _, answer in answers:
        await scene.until_paid(answer["relayId"])
    assert await scene.relayer_nonce() == before + 20


async def test_nothing_is_broadcast_that_would_not_pay_the_order(scene: Scene) -> None:
    order, other = await scene.client.order(), await scene.client.order()
    poor = await new_wallet(scene.market, 10**16)
    sign = scene.sign
    good = sign(order)
    high_s = int.from_bytes(bytes.fromhex(good["signature"][66:130]))
    order_n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    flipped = {"1b": "1c", "1c": "1b"}[good["signature"][130:]]
    malleable = good["signature"][:66] + f"{order_n - high_s:064x}" + flipped
    now = int(time.time())
    due = int(order["amountDueUnits"])
    refused: list[tuple[str, int, dict[str, Any]]] = [
        ("signature_invalid", 400, good | {"signature": "0x" + "11" * 64 + "1b"}),
        ("signature_invalid", 400, good | {"signature": malleable}),
        ("signature_invalid", 400, good | {"signature": "0x" + "00" * 65}),
        ("signature_invalid", 400, good | {"from": poor.account.address}),
        ("signature_invalid", 400, good | {"value": str(due + 1)}),
        ("signature_invalid", 400, sign(order, chain_id=1)),
        ("signature_invalid", 400, sign(order, token=b"\x09" * 20)),
        ("signature_invalid", 400, sign(order, to=b"\x08" * 20)),
        ("signature_invalid", 400, sign(other) | {"orderId": order["id"]}),
        ("value_mismatch", 400, sign(order, units=Units(due - 1))),
        ("value_mismatch", 400, sign(order, units=Units(due + 1))),
        ("value_mismatch", 400, sign(order, units=Units(0))),
        ("authorization_expired", 400, sign(order, valid_before_seconds=now - 1)),
        ("authorization_expired", 400, sign(order, valid_before_seconds=now + 5)),
        ("authorization_not_yet_valid", 400, sign(order, valid_after_seconds=now + 60)),
        ("authorization_outlives_order", 400, sign(order, valid_before_seconds=now + 1800)),
        ("authorization_outlives_order", 400, sign(order, valid_before_seconds=2**53)),
        ("balance_insufficient", 400, sign(order, wallet=poor)),
        ("order_not_found", 404, good | {"orderId": "ord_" + "0" * 26}),
        ("order_not_found", 404, good | {"orderId": "x"}),
    ]
    before = await scene.relayer_nonce()
    for code, expected, body in refused:
        status, problem = await scene.submit(body)
        assert (status, problem["code"]) == (expected, code), body
    assert await scene.relayer_nonce() == before
    assert (
        await scene.market.ledger.fetchval(
            "SELECT count(*) FROM relay_submission WHERE order_id = ANY($1::text[])",
            [order["id"], other["id"]],
        )
        == 0
    )


async def test_malformed_submissions_are_named(scene: Scene) -> None:
    good = scene.sign(await scene.client.order())
    malformed = [
        ("from", "0x12", "address_invalid"),
        ("from", good["from"].swapcase().replace("0X", "0x"), "address_checksum_wrong"),
        ("value", "1e18", "value_invalid"),
        ("value", "-1", "value_invalid"),
        ("value", "٣", "value_invalid"),
        ("value", str(2**256), "value_invalid"),
        ("value", 1, "parameter_invalid"),
        ("validAfter", "", "time_invalid"),
        ("validBefore", str(2**64), "time_invalid"),
        ("nonce", "0x00", "nonce_invalid"),
        ("signature", "0x" + "00" * 64, "signature_malformed"),
        ("signature", "0x" + "0" * 300, "parameter_invalid"),
        ("to", "0x" + "00" * 20, "field_unknown"),
    ]
    for name, value, code in malformed:
        status, problem = await scene.submit(good | {name: value})
        assert (status, problem["code"]) == (400, code), (name, value)
    for name in good:
        status, _ = await scene.submit({key: good[key] for key in good if key != name})
        assert status == 400
    for path in ("rly_" + "0" * 26, "nope", "rly_%00"):
        status, problem, _ = await scene.client.call("GET", f"/api/v1/payments/submissions/{path}")
        assert (status, problem["code"]) == (404, "submission_not_found")


async def test_an_order_takes_one_authorisation_at_a_time_and_none_when_paid(
    scene: Scene,
) -> None:
    order = await scene.client.order()
    async with scene.without_mining():
        _, first = await scene.submit(scene.sign(order))
        status, problem = await scene.submit(scene.sign(order))
        assert (status, problem["code"]) == (409, "order_being_paid")
    await scene.until_paid(first["relayId"])
    status, problem = await scene.submit(scene.sign(order))
    assert (status, problem["code"]) == (409, "order_not_payable")
    assert await scene.transfers_to(order) == 1


async def test_a_nonce_cannot_stand_for_two_payments(scene: Scene) -> None:
    first, second = await scene.client.order(), await scene.client.order()
    nonce = secrets.token_bytes(32)
    _, answer = await scene.submit(scene.sign(first, nonce=nonce), wait=20)
    assert answer["orderStatus"] == "paid"
    status, problem = await scene.submit(scene.sign(second, nonce=nonce))
    assert (status, problem["code"]) == (409, "authorization_nonce_reused")


async def test_a_nonce_that_two_orders_ask_for_at_once_goes_to_one_of_them(scene: Scene) -> None:
    before = await scene.relayer_nonce()
    for _ in range(5):
        nonce = secrets.token_bytes(32)
        orders = [await scene.client.order() for _ in range(3)]
        answers = await asyncio.gather(
            *(scene.submit(scene.sign(order, nonce=nonce)) for order in orders)
        )
        assert sorted(status for status, _ in answers) == [202, 409, 409]
        codes = {answer["code"] for status, answer in answers if status == 409}
        assert codes <= {"authorization_nonce_reused", "authorization_used"}
        (taken,) = [answer for status, answer in answers if status == 202]
        await scene.until_paid(taken["relayId"])
    assert await scene.relayer_nonce() == before + 5


async def test_used_and_cancelled_authorisations_are_refused(scene: Scene) -> None:
    used, cancelled = await scene.client.order(), await scene.client.order()
    body = scene.sign(used)
    await scene.broadcast_elsewhere(body)
    await scene.market.until(used["id"], Status.PAID)
    status, problem = await scene.submit(body)
    assert (status, problem["code"]) == (409, "order_not_payable")
    nonce = secrets.token_bytes(32)
    await scene.cancel(nonce)
    status, problem = await scene.submit(scene.sign(cancelled, nonce=nonce))
    assert (status, problem["code"]) == (409, "authorization_used")


async def test_whoever_broadcasts_it_first_the_order_is_paid_and_we_say_by_whom(
    scene: Scene,
) -> None:
    order = await scene.client.order()
    body = scene.sign(order)
    async with scene.without_mining():
        _, answer = await scene.submit(body)
        theirs = await scene.broadcast_elsewhere(body, tip_wei=50 * 10**9)
    landed = await scene.until_paid(answer["relayId"])
    assert (landed["landedBy"], landed["txHash"]) == ("other", to_hex(theirs))
    assert await scene.transfers_to(order) == 1
    # Ours came second and moved nothing.
    receipt = await scene.market.node.receipt(bytes.fromhex(answer["txHash"][2:]))
    assert not receipt.succeeded


async def test_a_cancellation_that_overtakes_us_frees_the_order(scene: Scene) -> None:
    order = await scene.client.order()
    nonce = secrets.token_bytes(32)
    async with scene.without_mining():
        _, answer = await scene.submit(scene.sign(order, nonce=nonce))
        await scene.cancel(nonce, tip_wei=50 * 10**9)
    told = await scene.until(answer["relayId"], "cancelled")
    assert told["orderStatus"] == "awaiting_payment"
    status, again = await scene.submit(scene.sign(order), wait=20)
    assert (status, again["orderStatus"]) == (202, "paid")


async def test_a_transfer_that_reverts_is_told_and_another_may_follow(scene: Scene) -> None:
    order = await scene.client.order()
    poor = await new_wallet(scene.market, int(order["amountDueUnits"]))
    async with scene.without_mining():
        _, answer = await scene.submit(scene.sign(order, wallet=poor))
        await scene.empty(poor)
    await scene.until(answer["relayId"], "reverted")
    _, waited = await scene.submit(scene.sign(order), wait=20)
    assert waited["orderStatus"] == "paid"
    await scene.market.mine(8)
    await scene.until(answer["relayId"], "reverted", isFinal=True)
    await scene.until(waited["relayId"], "included", isFinal=True)


async def test_an_authorisation_that_no_block_took_in_time_expires(scene: Scene) -> None:
    order = await scene.client.order()
    async with scene.without_mining():
        _, answer = await scene.submit(scene.sign(order))
        await scene.market.node.call("anvil_dropTransaction", answer["txHash"])
        now = int(time.time())
        await scene.market.node.call("evm_setNextBlockTimestamp", hex(now + 400))
        await scene.market.mine()
        await scene.until(answer["relayId"], "expired")
    assert await scene.transfers_to(order) == 0
