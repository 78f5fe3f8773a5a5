"""A headless Chromium that keeps a record of everything a page must never do."""

import contextlib
import io
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zxingcpp
from people import CASHIER, Person
from PIL import Image
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
PATIENCE_SECONDS = 40.0
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Runs before the page's own scripts, in every document.
RECORD_VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(event.violatedDirective + " " + event.blockedURI);
});
"""


def chromium_path() -> str | None:
    """The machine's own Chromium, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextlib.asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=ARGUMENTS, headless=True
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Till:
    """One open till page; what went wrong in it is kept in `errors`."""

    page: Page
    home: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    documents: int = 0

    def watch(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self._on_request(request.url))
        self.page.on("domcontentloaded", self._on_document)

    def _on_console(self, message: ConsoleMessage) -> None:
        # A refused request or a stopped server is the browser's own remark, not the page's fault.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _on_request(self, url: str) -> None:
        if not url.startswith((self.home, "data:")):
            self.foreign.append(url)

    def _on_document(self, _: Any) -> None:
        self.documents += 1

    async def visit(self) -> None:
        """Open the page, which asks who is there."""
        await self.page.goto(f"{self.home}/till")
        await self.until("#signin[open]")

    async def sign_in(self, name: str, password: str) -> None:
        await self.page.fill("#signin-name", name)
        await self.page.fill("#signin-password", password)
        await self.page.keyboard.press("Enter")

    async def open(self, person: Person) -> None:
        """Open the page and sign in."""
        await self.visit()
        await self.sign_in(person.name, person.password)
        await self.until_open()

    async def until_open(self) -> None:
        await self.until_gone("#signin[open]")
        await self.until("#connection[data-state=live]")
        await self.until(".tile")

    async def until(self, selector: str, *, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        await self.page.wait_for_selector(selector, timeout=timeout_seconds * 1000)

    async def until_gone(self, selector: str) -> None:
        await self.page.wait_for_selector(
            selector, state="detached", timeout=PATIENCE_SECONDS * 1000
        )

    async def until_text(
        self, selector: str, text: str, *, timeout_seconds: float = PATIENCE_SECONDS
    ) -> None:
        wanted = self.page.locator(selector).filter(has_text=text).first
        await wanted.wait_for(timeout=timeout_seconds * 1000, state="attached")

    async def text(self, selector: str) -> str:
        return await self.page.inner_text(selector)

    async def charge(self) -> dict[str, Any]:
        """Press the big button; gives the order that the page made."""
        async with self.page.expect_response("**/api/v1/orders") as response:
            await self.page.click("#charge")
        order: dict[str, Any] = await (await response.value).json()
        await self.until("#payment[open]")
        return order

    async def screenshot(self, name: str) -> bytes:
        """What a person would see now, also kept as an artefact."""
        ARTEFACTS.mkdir(exist_ok=True)
        return await self.page.screenshot(path=ARTEFACTS / f"{name}.png")

    async def assert_clean(self) -> None:
        """Nothing broke, nothing was blocked, nothing foreign asked for, and no reload."""
        assert self.errors == []
        assert await self.page.evaluate("window.violations") == []
        assert self.foreign == []
        assert self.documents == 1


@contextlib.asynccontextmanager
async def open_till(
    browser: Browser,
    home: str,
    *,
    size: dict[str, int] = PHONE,
    person: Person | None = CASHIER,
    **options: Any,
) -> AsyncIterator[Till]:
    """A till in a browser that knows nothing of any other; without a person nobody signs in."""
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]}, locale="en-MY", **options
    )
    await context.add_init_script(RECORD_VIOLATIONS)
    till = Till(await context.new_page(), home)
    till.watch()
    try:
        await (till.visit() if person is None else till.open(person))
        yield till
    finally:
        await context.close()


def row(order: dict[str, Any], status: str = "") -> str:
    """The selector of an order's row in the live list, in a status if one is named."""
    return f'[data-order="{order["id"]}"]' + (f'[data-status="{status}"]' if status else "")


def read_qr(screenshot: bytes) -> str:
    """What a camera reads off a picture of the page; the page has to show exactly one code."""
    with Image.open(io.BytesIO(screenshot)) as picture:
        (code,) = zxingcpp.read_barcodes(picture.convert("L"))
    text: str = code.text
    return text
