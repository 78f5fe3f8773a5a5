"""Orders after they were made: cheap to poll, listed, cancelled in time, scannable."""

import asyncio
import time

import pytest
from oracle_support import (
    Client,
    Ledger,
    Pay,
    tx,
    until,
)

ORDERS = "/api/v1/orders"
WELL_BEFORE_ITS_END_SECONDS = 20
"""Of a wait of 30 seconds."""


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
        asked = {"Prefer": "wait=30"} | ({"If-None-Match": tag} if known else {})
        waiting = asyncio.create_task(client.call("GET", path, headers=asked))
        await until(lambda: client.oracle.hub._order_waiters)
        assert not waiting.done()
        await ledger.block(Pay(fresh["orderAddress"], "0.25", tx(fresh["id"])))
        async with asyncio.timeout(WELL_BEFORE_ITS_END_SECONDS):
            status, shown, got = await waiting
        assert (status, shown["status"]) == (200, "paid")
        assert got["preference-applied"] == "wait=30"


async def test_a_waiting_poll_ends_with_its_time(client: Client) -> None:
    order = await client.order()
    path = f"{ORDERS}/{order['id']}"
    tag = (await client.call("GET", path))[2]["etag"]
    started = time.monotonic()
    async with asyncio.timeout(WELL_BEFORE_ITS_END_SECONDS):
        status, _, _ = await client.call(
            "GET", path, headers={"Prefer": "wait=1", "If-None-Match": tag}
        )
    assert status == 304
    assert time.monotonic() - started > 0.9


async def test_a_waiting_poll_with_an_outdated_tag_is_answered_at_once(client: Client) -> None:
    order = await client.order()
    headers = {"Prefer": "wait=30", "If-None-Match": '"0-other"'}
    async with asyncio.timeout(WELL_BEFORE_ITS_END_SECONDS):
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
    ("limit=99999999999", "limit_invalid"),
    ("before=" + "x" * 9_000, "before_invalid"),
    ("before=x", "before_invalid"),
    ("before=" + "x" * 65, "before_invalid"),
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
    path = f"{ORDERS}/{order['id']}/qr.svg"
    status, image, headers = await client.call("GET", path)
    assert status == 200
    assert headers["content-type"] == "image/svg+xml"
    assert headers["cache-control"] == "no-cache"
    for tag, known in ((headers["etag"], 304), ("W/" + headers["etag"], 304), ('"x"', 200)):
        assert (await client.call("GET", path, headers={"If-None-Match": tag}))[0] == known
    assert image.startswith(b"<svg")
    assert b"viewBox" in image
    assert b"<script" not in image


async def test_once_a_part_has_come_the_code_asks_for_the_rest(
    client: Client, ledger: Ledger
) -> None:
    """Whoever scans it again must not pay the first part twice."""
    order = await client.order()
    path = f"{ORDERS}/{order['id']}/qr.svg"
    _, whole, headers = await client.call("GET", path)
    assert order["paymentUri"].endswith("&uint256=250000000000000000")
    await ledger.block(Pay(order["orderAddress"], "0.1", tx(1)))
    shown = await client.get(order["id"])
    assert shown["paymentUri"].endswith("&uint256=150000000000000000")
    assert shown["amountDue"] == "0.25"
    status, rest, _ = await client.call("GET", path, headers={"If-None-Match": headers["etag"]})
    assert status == 200
    assert rest != whole
    await ledger.block(Pay(order["orderAddress"], "0.15", tx(2)))
    assert (await client.get(order["id"]))["paymentUri"] == order["paymentUri"]


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
