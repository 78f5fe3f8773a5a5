"""A shop and a browser for each module that needs them; one till for each test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from browser import Till, open_browser, open_till
from playwright.async_api import Browser
from shop import Shop, open_shop


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
