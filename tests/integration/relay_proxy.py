"""Stands before a node and answers broadcasts as nodes in trouble do."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import web

from devnet.ports import LOOPBACK
from ledger.keccak import keccak256

NEXT_BLOCK = {"eth_call", "eth_estimateGas"}


class Trouble(StrEnum):
    """What happens to a broadcast."""

    NONE = "none"
    TAKES_AND_FAILS = "takes it and answers an error"
    REFUSES = "takes nothing and answers an error"
    LOSES = "answers its hash and takes nothing"
    TAKES_AND_HANGS_UP = "takes it and closes the connection"
    HANGS_UP = "takes nothing and closes the connection"
    OTHER_CHAIN = "is on another chain"
    NO_PENDING_BLOCK = "makes no pending block"
    TELLS_NO_REASON = "tells that a call reverts, and not why"
    IS_AWAY = "answers nothing at all, whatever is asked"


@dataclass
class RelayProxy:
    """Passes on what it is asked to `target`."""

    url: str = ""
    target: str = ""
    trouble: Trouble = Trouble.NONE
    times: int = 0
    """How many broadcasts the trouble lasts."""
    sent: list[str] = field(default_factory=list)
    _session: aiohttp.ClientSession | None = None

    def make(self, trouble: Trouble, *, times: int = 1) -> None:
        self.trouble, self.times, self.sent = trouble, times, []

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if self.trouble is Trouble.IS_AWAY:
            return _hang_up(request)
        if self.trouble is Trouble.OTHER_CHAIN and asked["method"] == "eth_chainId":
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": "0x1"})
        asks_next_block = asked["method"] in NEXT_BLOCK and asked["params"][-1] == "pending"
        if self.trouble is Trouble.NO_PENDING_BLOCK and asks_next_block:
            fault = {"code": -32602, "message": "pending is not supported"}
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "error": fault})
        if asked["method"] != "eth_sendRawTransaction":
            answer = await self._ask(asked)
            if self.trouble is Trouble.TELLS_NO_REASON and "error" in answer:
                answer["error"] = {"code": answer["error"]["code"], "message": "revert"}
            return web.json_response(answer)
        raw = asked["params"][0]
        self.sent.append(raw)
        if not self.times:
            return web.json_response(await self._ask(asked))
        self.times -= 1
        if self.trouble in {Trouble.TAKES_AND_FAILS, Trouble.TAKES_AND_HANGS_UP}:
            await self._ask(asked)
        if self.trouble in {Trouble.HANGS_UP, Trouble.TAKES_AND_HANGS_UP}:
            return _hang_up(request)
        answer = {"jsonrpc": "2.0", "id": asked["id"]}
        if self.trouble is Trouble.LOSES:
            tx_hash = keccak256(bytes.fromhex(raw[2:])).hex()
            return web.json_response(answer | {"result": f"0x{tx_hash}"})
        fault = {"code": -32000, "message": "internal error"}
        return web.json_response(answer | {"error": fault})

    async def _ask(self, asked: Any) -> Any:
        assert self._session is not None
        try:
            async with self._session.post(self.target, json=asked) as reply:
                return await reply.json(content_type=None)
        except aiohttp.ClientError:
            # The chain has ended before who asks has: that is the test's end.
            raise web.HTTPBadGateway from None


@contextlib.asynccontextmanager
async def open_proxy() -> AsyncIterator[RelayProxy]:
    """A proxy on a port of its own; give it a target."""
    proxy = RelayProxy()
    app = web.Application()
    app.router.add_post("/", proxy._answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    async with aiohttp.ClientSession() as session:
        proxy._session = session
        try:
            await web.TCPSite(runner, LOOPBACK, 0).start()
            host, port = runner.addresses[0][:2]
            proxy.url = f"http://{host}:{port}"
            yield proxy
        finally:
            await runner.cleanup()


def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()
