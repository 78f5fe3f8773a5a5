"""The till when things go wrong: lost streams, lost answers, refusals, reversed payments."""

import json

import pytest
from browser import Till, chromium_path, row
from playwright.async_api import Route
from shop import Shop

STREAM = "**/api/v1/orders/stream*"

pytestmark = [
    pytest.mark.skipif(
        chromium_path() is None, reason="no Chromium on this machine: the till needs a browser"
    ),
    pytest.mark.asyncio(loop_scope="module"),
]


async def cut_off(till: Till) -> None:
    """Let no stream through; a till that wakes from sleep opens its stream anew, and fails."""
    await till.page.route(STREAM, lambda route: route.abort())
    await till.page.evaluate("dispatchEvent(new Event('online'))")
    await till.until_text("#connection-text", "Reconnecting")


async def test_a_lost_stream_is_regained_and_nothing_is_missed(till: Till, shop: Shop) -> None:
    listed = await shop.order(amountMyr="1.00", reference="listed")
    await till.page.tap('[data-sku="chocolate-250ml"] .tile-main')
    shown = await till.charge()
    await till.until(row(listed, "awaiting_payment"))
    await shop.stop_oracle()
    try:
        await till.until_text("#payment-connection", "Reconnecting")
        await till.screenshot("till-reconnecting")
        for order in (listed, shown):
            await shop.pay(order["paymentUri"])
    finally:
        await shop.start_oracle()
    await till.until("#paid[open]")
    await till.page.wait_for_timeout(450)
    await till.page.tap("#paid-next")
    await till.until("#connection[data-state=live]")
    for order in (listed, shown):
        await till.until(row(order, "paid"))
    await till.assert_clean()


async def test_without_a_stream_the_shown_order_is_polled(till: Till, shop: Shop) -> None:
    conditional: list[str] = []
    await till.page.tap('[data-sku="fresh-250ml"] .tile-main')
    order = await till.charge()
    await cut_off(till)

    async def note(route: Route) -> None:
        conditional.append(route.request.headers.get("if-none-match", ""))
        await route.continue_()

    await till.page.route(f"**/api/v1/orders/{order['id']}", note)
    await till.page.wait_for_timeout(8000)
    await shop.pay(order["paymentUri"])
    await till.until("#paid[open]")
    assert any(conditional)
    await till.assert_clean()


async def test_what_a_snapshot_lacks_is_asked_for(till: Till, shop: Shop) -> None:
    order = await shop.order(amountMyr="1.00", reference="long ago")
    await till.until(row(order, "awaiting_payment"))
    await cut_off(till)
    await shop.pay(order["paymentUri"])
    await shop.mine(80)
    # What the oracle says to a till that it cannot tell event by event what it missed.
    snapshot = json.dumps({"asOf": 1, "orders": [], "hasMore": False})
    body = f"event: resync\ndata: {{}}\n\nid: 1\nevent: snapshot\ndata: {snapshot}\n\n"
    await till.page.unroute(STREAM)
    await till.page.route(
        STREAM, lambda route: route.fulfill(body=body, content_type="text/event-stream")
    )
    await till.until(f'[data-group="ready"] {row(order)}')
    await till.assert_clean()


async def test_an_answer_that_is_lost_never_makes_two_orders(till: Till, shop: Shop) -> None:
    keys: list[str] = []

    async def lose_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    before = {order["id"] for order in await shop.orders()}
    await till.page.route("**/api/v1/orders", lose_the_first_answer)
    await till.page.tap('[data-sku="skimmed-250ml"] .tile-main')
    await till.page.tap("#charge")
    await till.until("#problem")
    assert "kept" in await till.text("#problem-text")
    await till.until("#payment[open]")
    assert len(set(keys)) == 1
    assert len(keys) == 2
    assert len({order["id"] for order in await shop.orders()} - before) == 1
    await till.assert_clean()


async def test_an_order_that_was_not_sent_outlives_a_reload(till: Till, shop: Shop) -> None:
    keys: list[str] = []

    async def fail(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        await route.abort()

    before = {order["id"] for order in await shop.orders()}
    await till.page.route("**/api/v1/orders", fail)
    await till.page.tap('[data-sku="low-fat-250ml"] .tile-main')
    await till.page.tap("#charge")
    await till.until("#problem")
    await till.page.unroute("**/api/v1/orders")
    async with till.page.expect_request("**/api/v1/orders") as sent:
        await till.page.reload()
    assert (await sent.value).headers["idempotency-key"] in keys
    await till.until("#payment[open]")
    assert await till.text("#payment-items") == "Low-fat milk 250 ml"
    assert len({order["id"] for order in await shop.orders()} - before) == 1


async def test_a_refusal_is_told_in_the_servers_words_and_loses_no_input(till: Till) -> None:
    await till.page.fill("#reference", "Farid")
    await till.page.tap("#mode-amount")
    for _ in range(7):
        await till.page.tap('.keypad button:has-text("9")')
    async with till.page.expect_response("**/api/v1/orders") as response:
        await till.page.tap("#charge")
    refusal = await (await response.value).json()
    assert (await response.value).status == 400
    await till.until("#problem")
    assert await till.text("#problem-text") == refusal["detail"]
    assert await till.page.input_value("#amount-input") == "99999.99"
    assert await till.page.input_value("#reference") == "Farid"
    assert await till.page.is_enabled("#charge")
    await till.assert_clean()


async def test_a_reversed_payment_alarms_until_it_is_seen(till: Till, shop: Shop) -> None:
    await till.page.tap('[data-sku="fresh-250ml"] .tile-main')
    order = await till.charge()
    await shop.pay(order["paymentUri"])
    await till.until("#paid[open]")
    await shop.reorganise(1)
    await till.until("#alarm[open]")
    assert "do not hand over" in await till.text("#alarm-title")
    assert order["id"][-4:].upper() in await till.text("#alarm-order")
    await till.screenshot("till-reversed")
    for _ in range(3):
        await till.page.keyboard.press("Escape")
        await till.until("#alarm[open]")
    await till.page.tap("#alarm-seen")
    await till.until(f'[data-group="attention"] {row(order, "reversed")}')
    await shop.transfer(order, order["amountDue"])
    await till.until(f'[data-group="ready"] {row(order, "paid")}')
    await till.assert_clean()
