"""Orders over HTTP: made once, cheap to poll, cancelled in time, scannable."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from oracle_support import (
    CHAIN_ID,
    DEPLOYMENT,
    Client,
    Ledger,
    Pay,
    open_ledger,
    served,
    settings_for,
    tx,
    until_journal_is_read,
)

from ledger.order_address import order_address, order_key
from ledger.payment_uri import format_address, parse_payment_uri

ORDERS = "/api/v1/orders"


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as ledger:
        yield ledger


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[Client]:
    async with served(settings_for(ledger.url)) as client:
        await until_journal_is_read(client)
        yield client


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
        "confirmationPolicy": {"requiredFinality": "included"},
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
        assert order["confirmationPolicy"] == {"requiredFinality": finality}


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
    assert {status for status, _, _ in answers} == {201}
    assert len({order["id"] for _, order, _ in answers}) == 1
    assert sum("idempotent-replayed" not in headers for _, _, headers in answers) == 1
    _, listed, _ = await client.call("GET", ORDERS)
    assert len(listed["data"]) == 1


MALFORMED: list[tuple[Any, str, str | None]] = [
    (b"", "body_malformed", None),
    (b"{", "body_malformed", None),
    (b"[]", "body_malformed", None),
    (b"null", "body_malformed", None),
    (b'{"amountMyr": NaN}', "parameter_invalid", "amountMyr"),
    ({}, "order_empty", "items"),
    ({"items": [{"sku": "fresh-250ml", "quantity": 1}], "amountMyr": "1"}, "order_empty", None),
    ({"items": []}, "parameter_invalid", "items"),
    ({"items": [{"sku": "beer", "quantity": 1}]}, "sku_unknown", "items.0.sku"),
    ({"items": [{"sku": "fresh-250ml"}]}, "parameter_invalid", "items.0.quantity"),
    ({"items": [{"sku": "fresh-250ml", "quantity": 0}]}, "parameter_invalid", None),
    ({"items": [{"sku": "fresh-250ml", "quantity": 101}]}, "parameter_invalid", None),
    ({"items": [{"sku": "fresh-250ml", "quantity": 1.0}]}, "parameter_invalid", None),
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
    ({"amountMyr": "1", "storeId": "other"}, "parameter_invalid", "storeId"),
    ({"amountMyr": "1", "reference": ""}, "parameter_invalid", "reference"),
    ({"amountMyr": "1", "reference": "x" * 121}, "parameter_invalid", "reference"),
    ({"amountMyr": "1", "reference": "a\u0000b"}, "parameter_invalid", "reference"),
    ({"amountMyr": "1", "reference": "a\n"}, "parameter_invalid", "reference"),
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


async def test_an_unknown_order_is_404(client: Client) -> None:
    strange = ("nope", "ord_" + "0" * 26, "ord_" + "0" * 25, "..%2f..", "ord_%00", "x" * 5000)
    for order_id in strange:
        for method, path in (("GET", ""), ("GET", "/qr.svg"), ("POST", "/cancel")):
            status, problem, _ = await client.call(method, f"{ORDERS}/{order_id}{path}")
            assert status == 404
            assert problem["code"] in {"order_not_found", "route_not_found"}


async def test_polling_an_unchanged_order_costs_a_304(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    path = f"{ORDERS}/{order['id']}"
    _, shown, headers = await client.call("GET", path)
    tag = headers["etag"]
    assert tag.startswith(f'"{shown["version"]}-')
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        status, body, headers = await client.call("GET", path, headers={"If-None-Match": known})
        assert (status, body, headers["etag"]) == (304, b"", tag)
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    status, shown, headers = await client.call("GET", path, headers={"If-None-Match": tag})
    assert (status, shown["status"]) == (200, "paid")
    assert headers["etag"] != tag


async def test_the_tag_changes_when_a_payment_moves_to_another_block_of_the_same_height(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    pay = Pay(order["orderAddress"], "0.25", tx(1))
    await ledger.block(pay)
    path = f"{ORDERS}/{order['id']}"
    _, before, headers = await client.call("GET", path)
    await ledger.reorganise(1, [pay])
    status, after, _ = await client.call("GET", path, headers={"If-None-Match": headers["etag"]})
    assert status == 200
    assert after["payments"][0]["blockHash"] != before["payments"][0]["blockHash"]


async def test_a_waiting_poll_is_answered_when_the_order_changes(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    path = f"{ORDERS}/{order['id']}"
    _, _, headers = await client.call("GET", path)
    for known in ({}, {"If-None-Match": headers["etag"]}):
        fresh = await client.order()
        path = f"{ORDERS}/{fresh['id']}"
        tag = (await client.call("GET", path))[2]["etag"]
        asked = {"Prefer": "wait=20"} | ({"If-None-Match": tag} if known else {})
        waiting = asyncio.create_task(client.call("GET", path, headers=asked))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        started = time.monotonic()
        await ledger.block(Pay(fresh["orderAddress"], "0.25", tx(fresh["id"])))
        status, shown, got = await waiting
        assert (status, shown["status"]) == (200, "paid")
        assert got["preference-applied"] == "wait=20"
        assert time.monotonic() - started < 2


async def test_a_waiting_poll_ends_with_its_time(client: Client) -> None:
    order = await client.order()
    path = f"{ORDERS}/{order['id']}"
    tag = (await client.call("GET", path))[2]["etag"]
    started = time.monotonic()
    status, _, _ = await client.call(
        "GET", path, headers={"Prefer": "wait=1", "If-None-Match": tag}
    )
    assert status == 304
    assert 0.9 < time.monotonic() - started < 3


async def test_a_waiting_poll_with_an_outdated_tag_is_answered_at_once(client: Client) -> None:
    order = await client.order()
    headers = {"Prefer": "wait=20", "If-None-Match": '"0-other"'}
    async with asyncio.timeout(3):
        status, _, _ = await client.call("GET", f"{ORDERS}/{order['id']}", headers=headers)
    assert status == 200


async def test_lists_are_paged_newest_first_and_filtered(client: Client, ledger: Ledger) -> None:
    made = [await client.order() for _ in range(5)]
    await ledger.block(Pay(made[0]["orderAddress"], "0.25", tx(1)))
    await client.call("POST", f"{ORDERS}/{made[1]['id']}/cancel")
    _, everything_open, _ = await client.call("GET", ORDERS)
    newest_first = [order["id"] for order in sorted(made, key=lambda o: o["id"], reverse=True)]
    assert [order["id"] for order in everything_open["data"]] == [
        one for one in newest_first if one != made[1]["id"]
    ]
    assert everything_open["hasMore"] is False
    assert everything_open["next"] is None
    seen, before = [], ""
    while True:
        _, page, _ = await client.call("GET", f"{ORDERS}?limit=2{before}")
        seen += [order["id"] for order in page["data"]]
        if not page["hasMore"]:
            break
        before = f"&before={page['next']}"
    assert seen == [one for one in newest_first if one != made[1]["id"]]
    _, some, _ = await client.call("GET", f"{ORDERS}?status=paid,cancelled")
    assert {order["status"] for order in some["data"]} == {"paid", "cancelled"}


MALFORMED_LISTS = [
    ("limit=0", "limit_invalid"),
    ("limit=101", "limit_invalid"),
    ("limit=-1", "limit_invalid"),
    ("limit=1e1", "limit_invalid"),
    ("limit=%D9%A3", "limit_invalid"),
    ("limit=99999999999", "parameter_invalid"),
    ("before=x", "before_invalid"),
    ("before=" + "x" * 65, "parameter_invalid"),
    ("status=", "status_unknown"),
    ("status=paid,done", "status_unknown"),
]


async def test_every_malformed_list_is_refused(client: Client) -> None:
    for query, code in MALFORMED_LISTS:
        status, problem, _ = await client.call("GET", f"{ORDERS}?{query}")
        assert (status, problem["code"]) == (400, code), query


async def test_an_unpaid_order_can_be_cancelled_even_twice(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    for _ in range(2):
        status, cancelled, _ = await client.call("POST", f"{ORDERS}/{order['id']}/cancel")
        assert (status, cancelled["status"]) == (200, "cancelled")
        assert cancelled["cancelledAt"]
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    after = await client.get(order["id"])
    assert (after["status"], after["amountOwedBack"]) == ("cancelled", "0.25")


async def test_a_partly_paid_order_can_be_cancelled_and_owes_the_part_back(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.1", tx(1)))
    status, cancelled, _ = await client.call("POST", f"{ORDERS}/{order['id']}/cancel")
    assert (status, cancelled["amountOwedBack"]) == (200, "0.1")


@pytest.mark.parametrize("amount", ["1.80", "60.00"])
async def test_a_paid_or_detected_order_cannot_be_cancelled(
    client: Client, ledger: Ledger, amount: str
) -> None:
    order = await client.order(amount)
    await ledger.block(Pay(order["orderAddress"], order["amountDue"], tx(1)))
    status, problem, _ = await client.call("POST", f"{ORDERS}/{order['id']}/cancel")
    assert (status, problem["code"]) == (409, "order_not_cancellable")
    assert (await client.get(order["id"]))["status"] in {"paid", "detected"}


async def test_the_qr_code_is_a_cacheable_image_that_a_page_can_scale(client: Client) -> None:
    order = await client.order()
    status, image, headers = await client.call("GET", f"{ORDERS}/{order['id']}/qr.svg")
    assert status == 200
    assert headers["content-type"] == "image/svg+xml"
    assert "immutable" in headers["cache-control"]
    assert image.startswith(b"<svg")
    assert b"viewBox" in image
    assert b"<script" not in image


async def test_a_zero_value_transfer_pays_nothing(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0", tx(1)))
    assert (await client.get(order["id"]))["status"] == "awaiting_payment"


async def test_a_settled_order_says_when(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    block = await ledger.block(Pay(order["orderAddress"], "0.3", tx(1)))
    await ledger.deepen(safe=block, final=block)
    settled = await client.get(order["id"])
    assert settled["status"] == "settled"
    assert settled["settledAt"]
    assert settled["amountOwedBack"] == "0.05"
    (payment,) = settled["payments"]
    assert payment["blockNumber"] == block.number
    assert payment["txHash"] == "0x" + tx(1).hex()
