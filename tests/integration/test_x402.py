"""Our x402 facilitator, asked by the npm packages of x402, on a real chain."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from node_program import JAVASCRIPT, answer_of, node
from oracle_support import served
from relay_proxy import RelayProxy, Trouble
from relay_scene import RELAYER_INDEX, Scene, Wallet, new_wallet, open_scene, relay_settings

from devnet.dev_accounts import dev_account
from ledger.order import Status
from oracle_api.request import MAX_BODY_PARTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPT = JAVASCRIPT / "x402_facilitator.mjs"
PREFIX = "/api/v1/x402"
VALUE_MISMATCH = "invalid_exact_evm_payload_authorization_value_mismatch"
RECIPIENT_MISMATCH = "invalid_exact_evm_payload_recipient_mismatch"
VALID_BEFORE = "invalid_exact_evm_payload_authorization_valid_before"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    module_ledger_url: str, tmp_path_factory: pytest.TempPathFactory, proxy: RelayProxy
) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("x402")
    async with open_scene(module_ledger_url, folder, through=proxy) as scene:
        yield scene


def requirements(order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a resource server asks its payer, made of an order as docs/partner.md says."""
    return {
        "scheme": "exact",
        "network": f"eip155:{order['chainId']}",
        "amount": order["amountDueUnits"],
        "asset": order["token"],
        "payTo": order["orderAddress"],
        "maxTimeoutSeconds": 60,
        "extra": {"name": "BillCoin", "version": "1"},
    } | changes


async def ask(scene: Scene, *cases: dict[str, Any], wallet: Wallet | None = None) -> Any:
    """What the packages get from the facilitator."""
    key = bytes((wallet or scene.wallet).account.key).hex()
    question = {"url": scene.client.base + PREFIX, "key": f"0x{key}", "cases": cases}
    return await answer_of(node(), str(SCRIPT), question=question)


async def test_supported_verify_settle_and_the_order_is_paid(scene: Scene) -> None:
    order = await scene.client.order()
    before = await scene.relayer_nonce()
    verbs = ["verify", "settle", "settle", "verify"]
    told = await ask(scene, {"requirements": requirements(order), "verbs": verbs})
    assert told["supported"] == {
        "kinds": [
            {
                "x402Version": 2,
                "scheme": "exact",
                "network": "eip155:31337",
                "extra": {"name": "BillCoin", "version": "1"},
            }
        ],
        "extensions": [],
        "signers": {"eip155:*": [dev_account(RELAYER_INDEX).address]},
    }
    ((verified, settled, again, replayed),) = [one["answers"] for one in told["cases"]]
    payer = scene.wallet.account.address
    assert verified == {"isValid": True, "payer": payer}
    paid = await scene.market.until(order["id"], Status.PAID)
    assert paid.amount_received == paid.amount_due
    (payment,) = (await scene.client.get(order["id"]))["payments"]
    assert settled == {
        "success": True,
        "payer": payer,
        "transaction": payment["txHash"],
        "network": "eip155:31337",
        "amount": order["amountDueUnits"],
    }
    # Settling again broadcasts nothing and is answered alike; verifying says what is so now.
    assert again == settled
    assert replayed["isValid"] is False
    assert await scene.relayer_nonce() == before + 1
    verdict = await scene.client.validate(settled["transaction"], order["amountDue"])
    assert verdict["valid"] is True


async def test_what_would_not_pay_an_order_is_refused_in_the_words_of_the_specification(
    scene: Scene,
) -> None:
    order, paid = await scene.client.order(), await scene.client.order()
    _, answer = await scene.submit(scene.sign(paid), wait=20)
    assert answer["orderStatus"] == "paid"
    good = requirements(order)
    authorization = "payload.authorization"
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("invalid_exact_evm_payload_signature", good, {"payload.signature": "0x" + "11" * 65}),
        ("invalid_exact_evm_payload_signature", good, {"payload.signature": "0x1234"}),
        ("invalid_exact_evm_payload_signature", good, {f"{authorization}.nonce": "0x" + "5" * 64}),
        (VALID_BEFORE, requirements(order, maxTimeoutSeconds=5), {}),
        (VALID_BEFORE, requirements(order, maxTimeoutSeconds=86_400), {}),
        (VALUE_MISMATCH, good, {f"{authorization}.value": "1"}),
        (RECIPIENT_MISMATCH, good, {f"{authorization}.to": "0x" + "22" * 20}),
        ("invalid_network", requirements(order, network="eip155:1"), {}),
        ("invalid_network", good, {"requirements.network": "eip155:1"}),
        ("unsupported_scheme", good, {"requirements.scheme": "upto"}),
        ("unsupported_scheme", good, {"accepted.extra.assetTransferMethod": "permit2"}),
        ("invalid_x402_version", good, {"x402Version": 1}),
        # Only orders are paid, each with what is due, in BILL.
        ("invalid_payment_requirements", requirements(order, payTo="0x" + "33" * 20), {}),
        ("invalid_payment_requirements", requirements(order, asset="0x" + "44" * 20), {}),
        ("invalid_payment_requirements", requirements(order, amount="1"), {}),
        ("invalid_payment_requirements", requirements(paid), {}),
        ("invalid_payment_requirements", good, {"requirements.amount": "1"}),
        ("invalid_payment_requirements", good, {"requirements.extra": {"name": "USDC"}}),
        ("invalid_payment_requirements", good, {"requirements.payTo": None}),
        ("invalid_payment_requirements", good, {"requirements.amount": 250}),
        ("invalid_payment_requirements", good, {"requirements.extra": "none"}),
        ("invalid_payload", good, {"payload": "0x00"}),
        ("invalid_payload", good, {f"{authorization}.value": 1}),
        ("invalid_payload", good, {f"{authorization}.validBefore": str(2**255)}),
        ("invalid_payload", good, {f"{authorization}.from": "me"}),
        ("invalid_payload", good, {"accepted": None}),
    ]
    before = await scene.relayer_nonce()
    asked = [
        {"requirements": wanted, "tamper": tamper, "verbs": ["verify", "settle"]}
        for _, wanted, tamper in cases
    ]
    told = await ask(scene, *asked)
    for (reason, _, tamper), case in zip(cases, told["cases"], strict=True):
        verified, settled = case["answers"]
        assert verified.get("invalidReason") == reason, (tamper, verified)
        assert verified["isValid"] is False
        assert (settled["success"], settled["errorReason"]) == (False, reason), tamper
        assert (settled["transaction"], settled["network"]) == ("", "eip155:31337")
    assert await scene.relayer_nonce() == before
    assert (await scene.client.get(order["id"]))["status"] == "awaiting_payment"


async def test_a_payer_without_the_money_is_refused_as_insufficient_funds(scene: Scene) -> None:
    order = await scene.client.order()
    poor = await new_wallet(scene.market, 1)
    case = {"requirements": requirements(order), "verbs": ["verify", "settle"]}
    told = await ask(scene, case, wallet=poor)
    verified, settled = told["cases"][0]["answers"]
    assert verified["invalidReason"] == settled["errorReason"] == "insufficient_funds"
    assert verified["payer"] == poor.account.address


async def test_a_used_authorisation_is_refused(scene: Scene) -> None:
    order = await scene.client.order()
    body = scene.sign(order)
    await scene.cancel(bytes.fromhex(body["nonce"][2:]))
    status, answer, _ = await scene.client.call(
        "POST", f"{PREFIX}/verify", json=message(order, body)
    )
    assert (status, answer["invalidReason"]) == (200, "invalid_exact_evm_nonce_already_used")


async def test_settling_at_once_twenty_times_broadcasts_once(scene: Scene) -> None:
    order = await scene.client.order()
    before = await scene.relayer_nonce()
    body = message(order, scene.sign(order))
    answers = await asyncio.gather(
        *(scene.client.call("POST", f"{PREFIX}/settle", json=body) for _ in range(20))
    )
    told = {json.dumps(answer, sort_keys=True) for _, answer, _ in answers}
    assert len(told) == 1
    assert answers[0][1]["success"] is True
    assert await scene.relayer_nonce() == before + 1


async def test_answers_look_as_openapi_shows_them(scene: Scene) -> None:
    _, document, _ = await scene.client.call("GET", "/openapi.json")
    order = await scene.client.order()
    body = message(order, scene.sign(order))
    for verb, method, sent in (
        ("supported", "GET", None),
        ("verify", "POST", body),
        ("settle", "POST", body),
        ("settle", "POST", {}),
    ):
        path = f"{PREFIX}/{verb}"
        operation = document["paths"][path][method.lower()]
        status, answer, _ = await scene.client.call(method, path, json=sent)
        if status == 400:
            assert answer["errorReason"] == "invalid_payload"
            continue
        shown = operation["responses"][str(status)]["content"]["application/json"]
        assert set(shown["schema"]["required"]) <= set(answer)
        assert set(answer) <= set(shown["schema"]["properties"])
        if sent:
            assert set(answer) == set(shown["example"])
            asked = operation["requestBody"]["content"]["application/json"]["example"]
            payload = asked["paymentPayload"]["payload"]
            assert set(payload["authorization"]) == set(
                body["paymentPayload"]["payload"]["authorization"]
            )


async def test_another_payment_that_came_first_is_not_taken_for_this_one(scene: Scene) -> None:
    order = await scene.client.order()
    async with scene.without_mining():
        body = scene.sign(order)
        _, waiting = await scene.submit(body)
        await scene.pay_plainly(order)
    await scene.until(waiting["relayId"], "included")
    status, answer, _ = await scene.client.call(
        "POST", f"{PREFIX}/settle", json=message(order, body)
    )
    assert (status, answer["success"]) == (200, False)
    assert answer["errorReason"] == "invalid_transaction_state"
    assert (await scene.client.get(order["id"]))["amountOwedBack"] == order["amountDue"]


async def test_what_is_not_paid_in_time_can_be_settled_again(scene: Scene) -> None:
    order = await scene.client.order()
    body = message(order, scene.sign(order))
    settings = relay_settings(scene.market, scene.folder, max_wait_seconds=0.1)
    async with scene.without_mining(), served(settings) as client:
        status, answer, _ = await client.call("POST", f"{PREFIX}/settle", json=body)
        assert (status, answer["success"]) == (200, False)
        assert answer["errorReason"] == "unexpected_settle_error"
        assert answer["transaction"].startswith("0x")
    _, settled, _ = await scene.client.call("POST", f"{PREFIX}/settle", json=body)
    assert (settled["success"], settled["transaction"]) == (True, answer["transaction"])


async def test_without_a_node_or_a_relay_nothing_is_claimed(
    scene: Scene, proxy: RelayProxy
) -> None:
    order = await scene.client.order()
    body = message(order, scene.sign(order))
    proxy.make(Trouble.IS_AWAY)
    try:
        status, answer, _ = await scene.client.call("POST", f"{PREFIX}/verify", json=body)
        assert (status, answer["code"]) == (503, "relay_unavailable")
        assert (answer["isValid"], answer["invalidReason"]) == (False, "unexpected_verify_error")
        status, answer, _ = await scene.client.call("POST", f"{PREFIX}/settle", json=body)
        assert (status, answer["success"], answer["transaction"]) == (503, False, "")
    finally:
        proxy.make(Trouble.NONE)
    settings = relay_settings(
        scene.market, scene.folder, relayer_node_url=None, relayer_key_file=None
    )
    async with served(settings) as client:
        status, supported, _ = await client.call("GET", f"{PREFIX}/supported")
        assert (status, supported) == (200, {"kinds": [], "extensions": [], "signers": {}})
        _, answer, _ = await client.call("POST", f"{PREFIX}/settle", json=body)
        assert (answer["success"], answer["errorReason"]) == (False, "invalid_network")


NO_MESSAGES = [
    *(b"", b"{", b"[]", b"null", b'"x"', b"{}", b"\xff", b"1e999"),
    b'{"x402Version": true, "paymentPayload": {}, "paymentRequirements": {}}',
    b'{"x402Version": "2", "paymentPayload": {}, "paymentRequirements": {}}',
    b'{"x402Version": 2, "paymentPayload": [], "paymentRequirements": {}}',
    b'{"x402Version": 2, "paymentPayload": {}}',
    b"[" * MAX_BODY_PARTS,
]


@pytest.mark.parametrize("body", NO_MESSAGES)
async def test_what_is_no_message_is_an_invalid_payload(scene: Scene, body: bytes) -> None:
    for verb, flag, reason in (
        ("verify", "isValid", "invalidReason"),
        ("settle", "success", "errorReason"),
    ):
        status, answer, _ = await scene.client.call("POST", f"{PREFIX}/{verb}", data=body)
        assert (status, answer[flag], answer[reason]) == (400, False, "invalid_payload")
        assert answer["code"] == "invalid_payload"


def message(order: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The message for a submission's authorisation."""
    wanted = requirements(order)
    names = ("from", "value", "validAfter", "validBefore", "nonce")
    authorization = {name: body[name] for name in names} | {"to": order["orderAddress"]}
    return {
        "x402Version": 2,
        "paymentPayload": {
            "x402Version": 2,
            "accepted": wanted,
            "payload": {"signature": body["signature"], "authorization": authorization},
        },
        "paymentRequirements": wanted,
    }
