"""Signing in at the till, in a real browser; and whoever tries to come in without."""

import asyncio
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from browser import DESKTOP, Till, chromium_path, open_till, row
from people import CASHIER, COLLEAGUE, CONTACT, STUDENT
from playwright.async_api import Browser, Route
from shop import Shop

from devnet.ports import LOOPBACK, free_port
from devnet.services import start_service

TOKENS = "**/api/v1/tokens"
OPEN_STREAMS = "billcoin_streams_open"

pytestmark = [
    pytest.mark.skipif(
        chromium_path() is None, reason="no Chromium on this machine: the till needs a browser"
    ),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(browser: Browser, shop: Shop) -> AsyncIterator[Till]:
    """A till at which nobody has signed in."""
    async with open_till(browser, shop.url, person=None, has_touch=True) as opened:
        yield opened


async def cookies(till: Till) -> dict[str, Any]:
    return {cookie["name"]: cookie for cookie in await till.page.context.cookies()}


async def open_streams(shop: Shop) -> int:
    async with shop.http.get(f"{shop.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    (line,) = [one for one in lines if OPEN_STREAMS in one and not one.startswith("#")]
    return int(float(line.split()[1]))


async def status_in_page(till: Till, path: str) -> int:
    status: int = await till.page.evaluate("async (path) => (await fetch(path)).status", path)
    return status


async def test_what_is_wrong_is_told_with_who_can_help(stranger: Till) -> None:
    assert CONTACT in await stranger.text("#signin-office")
    await stranger.page.tap("#signin-submit")
    await stranger.until_text("#signin-problem-text", "Enter the account name")
    await stranger.sign_in(CASHIER.name, "not the password")
    await stranger.until_text("#signin-problem-text", "password is wrong")
    assert CONTACT in await stranger.text("#signin-problem-text")
    assert await stranger.page.input_value("#signin-password") == ""
    assert await stranger.page.input_value("#signin-name") == CASHIER.name
    await stranger.page.tap("#signin-language")
    await stranger.until_text("#signin-problem-text", "kata laluan salah")
    assert CONTACT in await stranger.text("#signin-problem-text")
    await stranger.page.tap("#signin-show")
    assert await stranger.page.get_attribute("#signin-password", "type") == "text"
    await stranger.screenshot("till-signin")
    small = """() => [...document.querySelectorAll("#signin button, #signin input")]
      .map((each) => each.getBoundingClientRect())
      .filter((box) => box.width < 48 || box.height < 48).length"""
    assert await stranger.page.evaluate(small) == 0
    await stranger.sign_in(f" {CASHIER.name.upper()} ", CASHIER.password)
    await stranger.until_open()
    assert await stranger.page.get_attribute("#signin-password", "type") == "password"
    await stranger.assert_clean()


async def test_without_a_session_nothing_is_seen(stranger: Till, shop: Shop) -> None:
    order = await shop.order(amountMyr="1.00", reference="not for strangers")
    for _ in range(3):
        await stranger.page.keyboard.press("Escape")
        await stranger.until("#signin[open]")
    assert await stranger.page.locator("[data-order]").count() == 0
    assert "not for strangers" not in await stranger.page.content()
    for path in ("", "/stream", f"/{order['id']}", f"/{order['id']}/qr.svg"):
        assert await status_in_page(stranger, f"/api/v1/orders{path}") == 401
    assert await cookies(stranger) == {}
    await stranger.assert_clean()


async def test_a_student_is_no_till_and_sees_nothing_of_one(stranger: Till, shop: Shop) -> None:
    order = await shop.order(amountMyr="1.00", reference="of the store")
    await stranger.sign_in(STUDENT.name, STUDENT.password)
    await stranger.until_text("#signin-problem-text", "not for a till")
    assert CONTACT in await stranger.text("#signin-problem-text")
    assert await stranger.page.locator("[data-order]").count() == 0
    assert await cookies(stranger) == {}
    # Nor does it help to leave the page aside.
    own = {"Authorization": f"Bearer {await shop.token_of(STUDENT)}"}
    async with aiohttp.ClientSession(headers=own) as session:
        async with session.get(f"{shop.url}/api/v1/orders") as answer:
            assert (await answer.json())["data"] == []
        for path in ("", "/qr.svg"):
            async with session.get(f"{shop.url}/api/v1/orders/{order['id']}{path}") as answer:
                assert answer.status == 404
        async with session.get(f"{shop.url}/api/v1/orders/stream") as stream:
            snapshot = await stream.content.readuntil(b"\n\n")
            while b"event: snapshot" not in snapshot:
                snapshot = await stream.content.readuntil(b"\n\n")
            assert b'"orders":[]' in snapshot
    await stranger.assert_clean()


async def test_a_session_outlives_reloads_and_is_read_by_no_script(till: Till, shop: Shop) -> None:
    order = await shop.order(amountMyr="1.00", reference="before")
    await till.until(row(order))
    kept = await cookies(till)
    assert set(kept) == {"billcoin_access", "billcoin_refresh"}
    for cookie in kept.values():
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
    assert kept["billcoin_refresh"]["path"] == "/api/v1/tokens"
    readable = "document.cookie + JSON.stringify({...localStorage, ...sessionStorage})"
    assert "ey" not in await till.page.evaluate(readable)
    await till.page.reload()
    await till.until(row(order))
    assert not await till.page.is_visible("#signin")
    # As an installed page that was closed and is opened again.
    again = await till.page.context.new_page()
    await again.goto(f"{shop.url}/till")
    await again.wait_for_selector(row(order))
    await again.close()


async def test_tokens_are_renewed_before_they_end_and_the_stream_with_them(
    browser: Browser, shop: Shop
) -> None:
    async with open_till(browser, shop.url, size=DESKTOP, person=None) as till:
        await till.page.clock.install()
        await till.page.reload()
        await till.until("#signin[open]")
        await till.sign_in(CASHIER.name, CASHIER.password)
        await till.until_open()
        before = await cookies(till)
        async with till.page.expect_request("**/api/v1/orders/stream*"):
            await till.page.clock.fast_forward("14:15")
        assert await till.page.get_attribute("#connection", "data-state") != "offline"
        after = await cookies(till)
        for name in before:
            assert after[name]["value"] != before[name]["value"]
        order = await shop.order(amountMyr="1.00")
        await till.until(row(order))
        assert till.errors == []


async def test_a_refused_token_is_renewed_and_the_order_is_made_once(
    till: Till, shop: Shop
) -> None:
    refused: list[str] = []

    async def refuse_once(route: Route) -> None:
        if refused:
            await route.continue_()
            return
        refused.append(route.request.headers["authorization"])
        forged = route.request.headers | {"authorization": "Bearer stolen"}
        await route.continue_(headers=forged)

    before = len(await shop.orders())
    await till.page.route("**/api/v1/orders", refuse_once)
    await till.page.tap('[data-sku="fresh-250ml"] .tile-main')
    await till.page.tap("#charge")
    await till.until("#payment[open]")
    assert len(refused) == 1
    assert len(await shop.orders()) == before + 1
    await till.assert_clean()


async def test_a_session_that_was_ended_asks_for_the_password_and_keeps_the_order(
    till: Till, shop: Shop
) -> None:
    await till.page.fill("#reference", "kept")
    await till.page.tap('[data-sku="fresh-1l"] .tile-main')
    await till.page.context.clear_cookies()
    # The page still holds a token, which is refused as one of a disabled account would be.
    forged = {"authorization": "Bearer gone"}

    async def refuse(route: Route) -> None:
        await route.continue_(headers=route.request.headers | forged)

    await till.page.route("**/api/v1/orders", refuse, times=1)
    await till.page.tap("#charge")
    await till.until_text("#signin-problem-text", "Your session has ended")
    assert await till.page.input_value("#signin-name") == CASHIER.name
    async with till.page.expect_response(
        lambda answer: answer.url.endswith("/api/v1/orders") and answer.status == 201
    ) as made:
        await till.page.fill("#signin-password", CASHIER.password)
        await till.page.keyboard.press("Enter")
    assert (await (await made.value).json())["reference"] == "kept"
    await till.until("#payment[open]")
    await till.assert_clean()
    assert await open_streams(shop) >= 1


async def test_signing_out_ends_the_stream_and_leaves_nothing_for_the_next(
    till: Till, shop: Shop
) -> None:
    order = await shop.order(amountMyr="1.00", reference="of the first")
    await till.until(row(order))
    kept = await cookies(till)
    before = await open_streams(shop)
    other = await till.page.context.new_page()
    await other.goto(f"{shop.url}/till")
    await other.wait_for_selector(row(order))
    await till.page.tap("#account")
    assert await till.text("#account-name") == CASHIER.name
    await till.page.tap("#account-leave")
    await till.until("#signin[open]")
    # The other tab of the same browser is not left signed in, nor showing anything.
    await other.wait_for_selector("#signin[open]")
    for page in (till.page, other):
        assert "of the first" not in await page.content()
    assert await cookies(till) == {}
    assert await status_in_page(till, "/api/v1/orders/stream") == 401
    async with asyncio.timeout(20):
        while await open_streams(shop) >= before:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.05)
    # Who copied the cookie for renewing has nothing of it.
    stolen = {"Cookie": f"billcoin_refresh={kept['billcoin_refresh']['value']}"}
    grant = {"grant_type": "refresh_token", "session": "cookie"}
    async with (
        aiohttp.ClientSession(headers=stolen) as thief,
        thief.post(f"{shop.url}/api/v1/tokens", json=grant) as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (401, "refresh_token_invalid")
    await till.sign_in(COLLEAGUE.name, COLLEAGUE.password)
    await till.until_open()
    await till.until(row(order))


async def test_without_a_network_it_says_so_and_signs_nobody_out(
    browser: Browser, shop: Shop
) -> None:
    async with open_till(browser, shop.url, size=DESKTOP, person=None) as till:
        await till.page.route(TOKENS, lambda route: route.abort(), times=1)
        await till.sign_in(CASHIER.name, CASHIER.password)
        await till.until_text("#signin-problem-text", "No connection")
        await till.sign_in(CASHIER.name, CASHIER.password)
        await till.until_open()
        await till.page.route("**/tokens/revoke", lambda route: route.abort(), times=1)
        await till.page.click("#account")
        await till.page.click("#account-leave")
        await till.until_text("#account-problem", "still signed in")
        await till.page.click("#account-stay")
        await till.page.click('[data-sku="fresh-250ml"] .tile-main')
        await till.charge()
        await till.assert_clean()


async def test_where_access_is_open_nobody_is_asked(browser: Browser, shop: Shop) -> None:
    port = free_port()
    own = {"BILLCOIN_ACCESS": "open", "BILLCOIN_ORACLE_PORT": str(port)}
    logs = shop.folder / "open"
    logs.mkdir()
    oracle = start_service("billcoin-oracle", ["serve"], logs=logs, variables=shop.variables | own)
    home = f"http://{LOOPBACK}:{port}"
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as http:
            while not await answers(http, home):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.05)
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{home}/till")
        await page.wait_for_selector("#connection[data-state=live]")
        assert not await page.is_visible("#signin")
        assert not await page.is_visible("#account")
        assert await context.cookies() == []
        await context.close()
    finally:
        await asyncio.to_thread(oracle.stop)


async def answers(http: aiohttp.ClientSession, home: str) -> bool:
    try:
        async with http.get(f"{home}/healthz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


ATTACK = """async (home) => {
  const attempt = (path, options) =>
    fetch(home + path, { credentials: "include", ...options })
      .then((answer) => answer.type + answer.status, () => "blocked");
  const image = new Promise((resolve) => {
    const element = new Image();
    element.onload = () => resolve("shown");
    element.onerror = () => resolve("blocked");
    element.src = home + "/api/v1/orders/ORDER/qr.svg";
  });
  const stream = new Promise((resolve) => {
    const source = new EventSource(home + "/api/v1/orders/stream", {withCredentials: true});
    source.onopen = () => resolve("open");
    source.onerror = () => { source.close(); resolve("blocked"); };
  });
  return [
    await attempt("/api/v1/orders", {}),
    await attempt("/api/v1/tokens", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: '{"grant_type": "refresh_token", "session": "cookie"}',
    }),
    await image,
    await stream,
  ];
}"""
FORM = """(target) => {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: target, enctype: "text/plain" });
  document.body.append(form);
  form.submit();
}"""


class _ForeignPage(BaseHTTPRequestHandler):
    """A page of another site, which is all that it takes to be visited."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>free milk</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def test_a_foreign_page_can_do_nothing_with_the_cookie(till: Till, shop: Shop) -> None:
    order = await shop.order(amountMyr="1.00")
    before = len(await shop.orders())
    server = ThreadingHTTPServer((LOOPBACK, 0), _ForeignPage)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        # Another name of this machine is another site, though the same machine answers.
        evil = await till.page.context.new_page()
        await evil.goto(f"http://localhost:{server.server_port}/")
        said = await evil.evaluate(ATTACK.replace("ORDER", order["id"]), shop.url)
        assert said == ["blocked"] * 4
        # A form needs nobody's leave to be sent.
        for path in ("tokens/revoke", "orders"):
            await evil.goto(f"http://localhost:{server.server_port}/")
            async with evil.expect_response(f"**/api/v1/{path}") as answer:
                await evil.evaluate(FORM, f"{shop.url}/api/v1/{path}")
            refused = await answer.value
            assert (refused.status, (await refused.json())["code"]) == (403, "origin_foreign")
            assert "cookie" not in await refused.request.all_headers()
        await evil.close()
    finally:
        server.shutdown()
        server.server_close()
    assert len(await shop.orders()) == before
    await till.page.reload()
    await till.until(row(order))
