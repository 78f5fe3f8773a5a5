"""Orders are made once, at a locked price, and anything else is refused."""

import asyncio
import time
from typing import Any

import pytest
from oracle_support import (
    CHAIN_ID,
    DEPLOYMENT,
    Client,
)

from ledger.order_address import order_address, order_key
from ledger.payment_uri import format_address, parse_payment_uri

ORDERS = "/api/v1/orders"


async def post(client: Client, body: Any, key: str | None = "k") -> tuple[int, Any, dict[str, str]]:
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    options = {"data": body} if isinstance(body, bytes) else {"json": body}
    return await client.call("POST", ORDERS, headers=headers, **options)


async def test_an_order_locks_rate_amount_address_and_expiry(client: Client) -> None:
    items = [{"sku": "fresh-250ml", "quantity": 2}, {"sku": "chocolate-250ml", "quantity": 1}]
    before = int(time.time())
    status, order, headers = await post(client, {"items": items, "reference": "table 4"})
    assert status == 201
    assert headers["location"] == f"{ORDERS}/{order['id']}"
    assert "idempotent-replayed" not in headers
    address = order_address(
        factory=DEPLOYMENT.vault_factory,
        implementation=DEPLOYMENT.vault_implementation,
        treasury=DEPLOYMENT.treasury,
        order_key=order_key(order["id"]),
    )
    # RM 5.80 at RM 7.20: 0.80555..., rounded up at the sixth decimal.
    assert order == order | {
        "object": "order",
        "status": "awaiting_payment",
        "storeId": "cafeteria",
        "reference": "table 4",
        "amountMyr": "5.80",
        "rateMyrPerBill": "7.2",
        "amountDue": "0.805556",
        "amountDueUnits": "805556000000000000",
        "amountReceived": "0",
        "amountOwedBack": "0",
        "chainId": CHAIN_ID,
        "token": format_address(DEPLOYMENT.token),
        "orderAddress": format_address(address),
        "confirmationPolicy": {
            "requiredFinality": "included",
            "reason": "amount",
            "payerExposureLimitMyr": "10000.00",
            "storeExposureLimitMyr": "100000.00",
        },
        "cancelledAt": None,
        "paidAt": None,
        "settledAt": None,
        "payments": [],
    }
    assert order["items"][0] == {
        "sku": "fresh-250ml",
        "name": "Fresh milk 250 ml",
        "quantity": 2,
        "unitPriceMyr": "1.80",
    }
    wanted = parse_payment_uri(order["paymentUri"])
    assert (wanted.recipient, wanted.token) == (address, DEPLOYMENT.token)
    assert (wanted.units, wanted.chain_id) == (805556 * 10**12, CHAIN_ID)
    expires = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(before + 900))
    assert order["expiresAt"][:16] in {
        expires,
        time.strftime("%Y-%m-%dT%H:%M", time.gmtime(before + 903)),
    }


async def test_larger_orders_wait_deeper(client: Client) -> None:
    for amount, finality in (
        ("50.00", "included"),
        ("50.01", "safe"),
        ("500", "safe"),
        ("500.01", "finalized"),
    ):
        order = await client.order(amount)
        assert order["confirmationPolicy"]["requiredFinality"] == finality


async def test_a_repeated_request_gives_the_same_order(client: Client) -> None:
    _, first, _ = await post(client, {"amountMyr": "1.80"})
    status, again, headers = await post(client, b' { "amountMyr" : "1.80" } ')
    assert (status, again["id"]) == (201, first["id"])
    assert headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    "other", [{"amountMyr": "1.81"}, {"amountMyr": "1.80", "reference": "table 5"}]
)
async def test_the_same_key_with_another_request_is_a_conflict(
    client: Client, other: dict[str, str]
) -> None:
    await post(client, {"amountMyr": "1.80"})
    status, problem, _ = await post(client, other)
    assert (status, problem["code"]) == (409, "idempotency_key_reused")
    assert problem["param"] == "Idempotency-Key"
    assert problem["retryable"] is False


async def test_fifty_requests_at_once_with_one_key_make_one_order(client: Client) -> None:
    answers = await asyncio.gather(*(post(client, {"amountMyr": "1.80"}) for _ in range(50)))
    made = [order["id"] for status, order, _ in answers if status == 201]
    refused = [problem for status, problem, _ in answers if status != 201]
    assert len(set(made)) == 1
    # Whoever comes while the first is being answered is told to come again, and then gets it.
    assert {(one["status"], one["code"], one["retryable"]) for one in refused} <= {
        (409, "idempotency_key_in_flight", True)
    }
    _, again, _ = await post(client, {"amountMyr": "1.80"})
    assert again["id"] == made[0]
    fresh = [headers for status, _, headers in answers if status == 201]
    assert sum("idempotent-replayed" not in headers for headers in fresh) == 1
    _, listed, _ = await client.call("GET", ORDERS)
    assert len(listed["data"]) == 1


MALFORMED: list[tuple[Any, str, str | None]] = [
    (b"", "body_malformed", None),
    (b"{", "body_malformed", None),
    (b"[]", "body_malformed", None),
    (b"null", "body_malformed", None),
    (b"x=1&y=2", "body_malformed", None),
    (b"[" * 60_000, "body_malformed", None),
    (b'{"amountMyr": ' + b"9" * 5_000 + b"}", "body_malformed", None),
    (b'{"amountMyr": 1e999}', "parameter_invalid", "amountMyr"),
    (b'{"amountMyr": "1", "reference": "\\ud800"}', "parameter_invalid", "reference"),
    (b'{"items": [{"sku": "\\ud800", "quantity": 1}]}', "parameter_invalid", "items.0.sku"),
    (b"\xff\xfe\x00", "body_malformed", None),
    (b'{"amountMyr": NaN}', "parameter_invalid", "amountMyr"),
    ({}, "order_empty", "items"),
    ({"x" * 9000: 1}, "field_unknown", "x" * 120),
    ({"items": [{"sku": "fresh-250ml", "quantity": 1}], "amountMyr": "1"}, "order_empty", None),
    ({"items": []}, "parameter_invalid", "items"),
    ({"items": [{"sku": "beer", "quantity": 1}]}, "sku_unknown", "items.0.sku"),
    ({"items": [{"sku": "fresh-250ml"}]}, "field_missing", "items.0.quantity"),
    ({"items": [{"sku": "fresh-250ml", "quantity": 0}]}, "parameter_invalid", None),
    ({"items": [{"sku": "fresh-250ml", "quantity": 101}]}, "parameter_invalid", None),
    ({"items": [{"sku": "fresh-250ml", "quantity": 1.5}]}, "parameter_invalid", None),
    ({"items": [{"sku": "fresh-250ml", "quantity": "1"}]}, "parameter_invalid", None),
    ({"items": [{"sku": "fresh-250ml", "quantity": True}]}, "parameter_invalid", None),
    ({"items": [{"sku": "fresh-250ml", "quantity": 1}] * 51}, "parameter_invalid", "items"),
    ({"items": [{"sku": "fresh-1l", "quantity": 100}] * 14}, "amount_invalid", "items"),
    ({"amountMyr": 1.8}, "parameter_invalid", "amountMyr"),
    ({"amountMyr": "0"}, "amount_invalid", "amountMyr"),
    ({"amountMyr": "0.00"}, "amount_invalid", "amountMyr"),
    ({"amountMyr": "-1"}, "amount_invalid", "amountMyr"),
    ({"amountMyr": "1.801"}, "amount_invalid", "amountMyr"),
    ({"amountMyr": "1e2"}, "amount_invalid", "amountMyr"),
    ({"amountMyr": "10000.01"}, "amount_invalid", "amountMyr"),
    ({"amountMyr": "1", "storeId": "other"}, "field_unknown", "storeId"),
    ({"amountMyr": "1", "reference": ""}, "parameter_invalid", "reference"),
    ({"amountMyr": "1", "reference": "x" * 121}, "parameter_invalid", "reference"),
    ({"amountMyr": "1", "reference": "a\u0000b"}, "parameter_invalid", "reference"),
    ({"amountMyr": "1", "reference": "a\n"}, "parameter_invalid", "reference"),
    ({"amountMyr": "1", "reference": "a\u2028b"}, "parameter_invalid", "reference"),
    ({"amountMyr": "1", "reference": "\u202ediap"}, "parameter_invalid", "reference"),
]


async def test_every_malformed_order_is_refused_with_400(client: Client) -> None:
    for body, code, param in MALFORMED:
        status, problem, headers = await post(client, body)
        assert (status, problem["code"]) == (400, code), body
        assert headers["content-type"] == "application/problem+json"
        if param:
            assert problem["param"] == param
    _, listed, _ = await client.call("GET", ORDERS)
    assert listed["data"] == []


async def test_the_idempotency_key_is_needed_and_plain(client: Client) -> None:
    for key, code in (
        (None, "idempotency_key_missing"),
        ("", "idempotency_key_invalid"),
        ("k" * 256, "idempotency_key_invalid"),
        ("Schlüssel", "idempotency_key_invalid"),
    ):
        headers = {} if key is None else {"Idempotency-Key": key}
        status, problem, _ = await client.call(
            "POST", ORDERS, json={"amountMyr": "1"}, headers=headers
        )
        assert (status, problem["code"]) == (400, code)


async def test_any_harmless_reference_is_kept_as_it_is(client: Client) -> None:
    reference = "'; DROP TABLE orders; -- <script> ✓ =1+1"
    order = await client.order(reference=reference)
    assert (await client.get(order["id"]))["reference"] == reference


async def test_an_unfit_text_is_told_in_words(client: Client) -> None:
    _, problem, _ = await post(client, {"amountMyr": "1", "reference": "a\nb"})
    assert problem["detail"].startswith("reference must be one line, without control characters")


async def test_a_body_of_no_declared_type_is_told_what_it_lacks(client: Client) -> None:
    """As curl sends it when nobody tells it that the body is JSON."""
    for body, content_type in (
        (b'{"amountMyr": "1.80"}', "application/x-www-form-urlencoded"),
        (b"", "application/json"),
        (b"[]", "application/json"),
    ):
        headers = {"Content-Type": content_type, "Idempotency-Key": "k"}
        status, problem, _ = await client.call("POST", ORDERS, data=body, headers=headers)
        assert (status, problem["code"]) == (400, "body_malformed")
        assert "a JSON object, sent with Content-Type: application/json" in problem["detail"]
