"""The till in a real browser, with a real chain behind it: milk is ordered, shown and paid."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from browser import DESKTOP, PHONE, Till, chromium_path, open_browser, open_till, read_qr
from playwright.async_api import Browser, Route
from shop import Shop, open_shop

PAID = "Paid \N{EN DASH} Ready"
HOSTILE = "\"'><img src=x onerror=window.stolen=1><script>window.stolen=1</script>{name}"

pytestmark = [
    pytest.mark.skipif(
        chromium_path() is None, reason="no Chromium on this machine: the till needs a browser"
    ),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with open_shop(postgres_url, tmp_path_factory.mktemp("shop")) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def till(browser: Browser, shop: Shop) -> AsyncIterator[Till]:
    """A till on a phone."""
    async with open_till(browser, shop.url, has_touch=True, device_scale_factor=2) as opened:
        yield opened


def row(order: dict[str, Any], status: str = "") -> str:
    """The selector of an order's row in the live list, in a status if one is named."""
    return f'[data-order="{order["id"]}"]' + (f'[data-status="{status}"]' if status else "")


async def charge(till: Till) -> dict[str, Any]:
    """Press the big button; gives the order that the page made."""
    async with till.page.expect_response("**/api/v1/orders") as response:
        await till.page.click("#charge")
    order: dict[str, Any] = await (await response.value).json()
    await till.until("#payment[open]")
    return order


async def test_a_milk_is_sold_on_a_phone(till: Till, shop: Shop) -> None:
    await till.page.tap('[data-sku="fresh-250ml"] .tile-main')
    await till.page.fill("#reference", "Aisyah")
    order = await charge(till)
    assert await till.text("#payment-myr") == "RM 1.80"
    assert await till.text("#payment-bill") == "0.25 BILL"
    assert "left" in await till.text("#payment-clock")
    box = await till.page.locator("#payment-qr").bounding_box()
    assert box is not None
    assert box["width"] >= 0.6 * PHONE["width"]
    await till.page.locator("#payment-qr").evaluate("image => image.decode()")

    uri = read_qr(await till.screenshot("till-qr"))
    assert uri == await till.page.get_attribute("#payment-open", "href") == order["paymentUri"]
    paid = await shop.pay(uri)
    assert paid["amount"] == "0.25"

    await till.until("#paid[open]")
    assert await till.text("#paid-title") == PAID
    await till.until_text("#announcer", "Paid.")
    await till.page.wait_for_timeout(450)
    await till.screenshot("till-paid")
    await till.page.tap("#paid-next")
    await till.until(row(order, "paid"))
    assert PAID in await till.text(row(order))
    await shop.mine(80)
    await till.until(row(order, "settled"))
    assert PAID in await till.text(row(order))
    assert await till.page.locator(f"{row(order)} .settled").count() == 1
    await till.assert_clean()


async def test_everything_within_reach_of_a_thumb_is_large_enough(till: Till, shop: Shop) -> None:
    small = """() => [...document.querySelectorAll("button, a[href], input")]
      .filter((each) => each.checkVisibility() && !each.closest(".uri") && each.id != "payment-uri")
      .map((each) => [each.id || each.className, each.getBoundingClientRect()])
      .filter(([, box]) => box.width < 48 || box.height < 48)
      .map(([name]) => name)"""
    assert await till.page.evaluate(small) == []
    await till.page.tap('[data-sku="fresh-1l"] .tile-main')
    assert await till.page.evaluate(small) == []
    await till.page.tap("#mode-amount")
    # The row around the amount is its target, not the digits alone.
    assert await till.page.evaluate(small) in ([], ["amount-input"])
    bottom = await till.page.locator("#charge").bounding_box()
    assert bottom is not None
    assert bottom["y"] > PHONE["height"] * 0.8
    assert await till.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    await till.page.tap("#mode-milk")
    await charge(till)
    assert await till.page.evaluate(small) == []
    await till.assert_clean()
    assert len(await shop.orders()) >= 1


async def test_the_keyboard_alone_is_enough_also_in_malay(browser: Browser, shop: Shop) -> None:
    async with open_till(browser, shop.url, size=DESKTOP) as till:
        press = till.page.keyboard.press
        await till.page.focus("#language")
        await press("Enter")
        assert await till.page.get_attribute("html", "lang") == "ms"
        assert await till.text("#mode-amount") == "Jumlah RM"
        assert await till.text("#connection-text") == "Langsung"

        await till.page.focus("#mode-milk")
        for _ in range(3):
            await press("Tab")
        assert await till.page.evaluate("document.activeElement.className") == "tile-main"
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await till.page.evaluate(outline) == "solid"
        await press("Enter")
        await press("Enter")
        assert await till.text("#charge-total") == "RM 3.60"
        await press("Escape")
        assert await till.page.is_disabled("#charge")

        await till.page.focus("#mode-amount")
        await press("Enter")
        await till.page.keyboard.type("250")
        assert await till.page.input_value("#amount-input") == "2.50"
        async with till.page.expect_response("**/api/v1/orders") as response:
            await press("Enter")
        order = await (await response.value).json()
        assert order["amountMyr"] == "2.50"
        await till.until("#payment[open]")
        assert await till.text("#payment-status") == "Menunggu Bayaran"
        await press("Escape")
        await till.until_gone("#payment[open]")
        assert await till.page.evaluate("document.activeElement.id") == "amount-input"

        await till.page.focus(f"{row(order)} button")
        await press("Enter")
        await till.until("#payment[open]")
        await shop.pay(order["paymentUri"])
        await till.until("#paid[open]")
        assert await till.text("#paid-title") == "Dibayar \N{EN DASH} Sedia"
        await till.page.wait_for_timeout(450)
        await press("Enter")
        await till.until_gone("#paid[open]")
        await till.assert_clean()

        await till.page.reload()
        await till.until("#connection[data-state=live]")
        assert await till.page.get_attribute("html", "lang") == "ms"


async def test_a_hostile_reference_is_only_text(browser: Browser, shop: Shop) -> None:
    async with open_till(browser, shop.url, size=DESKTOP, color_scheme="dark") as till:
        order = await shop.order(amountMyr="3.00", reference=HOSTILE)
        await till.until(row(order))
        assert await till.text(f"{row(order)} .reference-text") == HOSTILE
        await till.page.click(f"{row(order)} button")
        await till.until("#payment[open]")
        assert HOSTILE in (await till.page.text_content("#payment-title") or "")
        assert await till.page.locator(f"{row(order)} img, #payment-title img").count() == 0
        await till.page.locator("#payment-qr").evaluate("image => image.decode()")
        await till.screenshot("till-hostile-dark")
        await shop.pay(order["paymentUri"])
        await till.until("#paid[open]")
        assert HOSTILE in (await till.page.text_content("#paid-order") or "")
        assert await till.page.evaluate("window.stolen") is None
        await till.assert_clean()


async def test_a_lost_stream_is_regained_and_nothing_is_missed(till: Till, shop: Shop) -> None:
    listed = await shop.order(amountMyr="1.00", reference="listed")
    await till.page.tap('[data-sku="chocolate-250ml"] .tile-main')
    shown = await charge(till)
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
    await till.page.route("**/api/v1/orders/stream*", lambda route: route.abort())
    await till.page.tap('[data-sku="fresh-250ml"] .tile-main')
    order = await charge(till)
    # A new page's stream is up; what wakes from sleep opens it anew, and fails here.
    await till.page.evaluate("dispatchEvent(new Event('online'))")
    await till.until_text("#connection-text", "Reconnecting")

    async def note(route: Route) -> None:
        conditional.append(route.request.headers.get("if-none-match", ""))
        await route.continue_()

    await till.page.route(f"**/api/v1/orders/{order['id']}", note)
    await till.page.wait_for_timeout(8000)
    await shop.pay(order["paymentUri"])
    await till.until("#paid[open]")
    assert any(conditional)
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
    order = await charge(till)
    await shop.pay(order["paymentUri"])
    await till.until("#paid[open]")
    await shop.reorganise(1)
    await till.until("#alarm[open]")
    assert "do not hand over" in await till.text("#alarm-title")
    assert order["id"][-4:].upper() in await till.text("#alarm-order")
    await till.screenshot("till-reversed")
    await till.page.keyboard.press("Escape")
    assert await till.page.locator("#alarm[open]").count() == 1
    await till.page.tap("#alarm-seen")
    await till.until(f'[data-group="attention"] {row(order, "reversed")}')
    await shop.transfer(order, order["amountDue"])
    await till.until(f'[data-group="ready"] {row(order, "paid")}')
    await till.assert_clean()


async def test_the_list_tells_every_other_end(browser: Browser, shop: Shop) -> None:
    async with open_till(browser, shop.url, size=DESKTOP) as till:
        part = await shop.order(amountMyr="3.60", reference="Mei Ling")
        await shop.order(items=[{"sku": "fresh-1l", "quantity": 2}], reference="Ravi")
        given_up = await shop.order(amountMyr="1.80", reference="Siti")
        too_much = await shop.order(amountMyr="7.20", reference="Kumar")
        await shop.transfer(part, "0.2")
        await shop.transfer(too_much, "1.5")
        await till.until(f'[data-group="attention"] {row(part, "underpaid")}')
        await till.page.click(f"{row(part)} button")
        assert "0.3 BILL" in await till.text("#payment-note")
        await till.page.keyboard.press("Escape")
        await till.page.click(f"{row(too_much, 'paid')} button")
        assert "0.5 BILL" in await till.text("#payment-note")
        assert await till.page.is_hidden("#payment-qr")
        await till.page.keyboard.press("Escape")
        await till.page.click(f"{row(given_up)} button")
        await till.page.click("#payment-cancel")
        assert await till.text("#payment-cancel") == "Really cancel?"
        await till.page.click("#payment-cancel")
        await till.until(f'[data-group="closed"] {row(given_up, "cancelled")}')
        await till.screenshot("till-desktop")
        await till.assert_clean()
