"""A node's URL often holds the key to it: no log line and no error may."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from indexer.heads import Heads, HeadWatch
from indexer.node import Node
from indexer.rpc import NodeUnreachableError, RpcClient
from indexer.socket_rpc import SocketRpc
from indexer.source import Source, source_name

KEY = "an-api-key"


async def test_a_node_that_refuses_us_is_logged_without_the_key_in_its_url() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade"):
            return web.Response(status=401)
        raise web.HTTPTemporaryRedirect(request.path)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", refuse)
    failures: list[Any] = []
    wanted = {"subscription_lost", "poll_failed"}
    async with AsyncExitStack() as exits:
        server = await exits.enter_async_context(TestServer(application))
        session = await exits.enter_async_context(aiohttp.ClientSession())
        url = str(server.make_url(f"/v2/{KEY}"))
        socket = SocketRpc(session, url.replace("http", "ws"), timeout_seconds=2)
        node = Node(RpcClient(session, url, timeout_seconds=2), token=bytes(20), socket=socket)
        source = Source(node, name=source_name(url))
        with structlog.testing.capture_logs() as logged:
            watch = asyncio.create_task(HeadWatch(source, Heads(), block_time_seconds=0.1).run())
            async with asyncio.timeout(20):
                while wanted - {line["event"] for line in logged}:  # noqa: ASYNC110 - a log calls nobody
                    await asyncio.sleep(0.02)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        try:
            await node.head()
        except NodeUnreachableError as error:
            failures.append(str(error))
    assert failures
    assert KEY not in repr(logged) + repr(failures)
