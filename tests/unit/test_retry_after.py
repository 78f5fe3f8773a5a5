"""A node that asks for time in either form of Retry-After is given it, within a limit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from indexer.backfill_client import BatchClient, BusyNodeError
from indexer.retry_after import MAX_RETRY_AFTER_SECONDS, read_retry_after
from indexer.rpc import NodeUnreachableError, RateLimitedError, RpcClient

NOW = datetime(1994, 11, 6, 8, 49, 7, tzinfo=UTC)
FAR_AHEAD = "Fri, 31 Dec 2100 23:59:59 GMT"
LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("0.05", 0.05),
        ("3600", MAX_RETRY_AFTER_SECONDS),
        ("9" * 400, MAX_RETRY_AFTER_SECONDS),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 30),
        ("Sun Nov  6 08:49:37 1994", 30),
        ("Sun, 06 Nov 1994 09:49:37 GMT", MAX_RETRY_AFTER_SECONDS),
        ("Sun, 06 Nov 1994 08:49:06 GMT", 0),
        (None, 1),
        ("", 1),
        ("soon", 1),
        ("nan", 1),
        ("-5", 1),
        ("Sun, 99 Nov 1994 08:49:37 GMT", 1),
        ("Sun, 06 Nov 1994 08:49:37 +9999999999", 1),
    ],
)
def test_both_forms_are_read_and_bounded(header: str | None, seconds: float) -> None:
    assert read_retry_after(header, now=NOW) == seconds


@contextlib.asynccontextmanager
async def busy(status: int, header: str | None) -> AsyncIterator[str]:
    """A node that answers everything with this status."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(
            status=status, headers={} if header is None else {"Retry-After": header}
        )

    application = web.Application()
    application.router.add_post("/", refuse)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), (FAR_AHEAD, MAX_RETRY_AFTER_SECONDS), (LONG_AGO, 0)]
)
async def test_whoever_asks_a_node_obeys_both_forms(
    status: int, header: str, seconds: float
) -> None:
    async with busy(status, header) as url, aiohttp.ClientSession() as session:
        with pytest.raises(RateLimitedError) as single:
            await RpcClient(session, url, timeout_seconds=5).call("eth_chainId", [])
        with pytest.raises(BusyNodeError) as batched:
            await asyncio.to_thread(BatchClient(url, timeout_seconds=5).blocks, [1])
    assert single.value.retry_after_seconds == seconds
    assert batched.value.retry_after_seconds == seconds


async def test_a_node_that_is_away_without_a_word_is_an_ordinary_failure() -> None:
    async with busy(503, None) as url, aiohttp.ClientSession() as session:
        with pytest.raises(NodeUnreachableError):
            await RpcClient(session, url, timeout_seconds=5).call("eth_chainId", [])
