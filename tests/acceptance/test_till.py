"""The till in a real browser, with a real chain behind it: milk is ordered, shown and paid."""

import pytest
from browser import DESKTOP, PHONE, Till, chromium_path, open_till, read_qr, row
from playwright.async_api import Browser
from shop import Shop

PAID = "Paid \N{EN DASH} Ready"
HOSTILE = "\"'><img src=x onerror=window.stolen=1><script>window.stolen=1</script>{name}"

pytestmark = [
    pytest.mark.skipif(
        chromium_path() is None, reason="no Chromium on this machine: the till needs a browser"
    ),
    pytest.mark.asyncio(loop_scope="module"),
]


async def test_a_milk_is_sold_on_a_phone(till: Till, shop: Shop) -> None:
    await till.page.tap('[data-sku="fresh-250ml"] .tile-main')
    await till.page.fill("#reference", "Aisyah")
    order = await till.charge()
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
    await till.charge()
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
        await till.until("#amount-input:focus")

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
        await till.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await till.page.click("#payment-copy")
        await till.until_text("#payment-copy-text", "Copied")
        copied = await till.page.evaluate("navigator.clipboard.readText()")
        assert copied == order["paymentUri"]
        await shop.pay(order["paymentUri"])
        await till.until("#paid[open]")
        assert HOSTILE in (await till.page.text_content("#paid-order") or "")
        assert await till.page.evaluate("window.stolen") is None
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
        await till.until("#payment-open[href]")
        link = await till.page.get_attribute("#payment-open", "href")
        assert link is not None
        assert link.endswith(f"&uint256={3 * 10**17}")
        await till.page.locator("#payment-qr").evaluate("image => image.decode()")
        assert read_qr(await till.screenshot("till-underpaid")) == link
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
