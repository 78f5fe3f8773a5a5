"""More nodes of one simulated chain: fronts that pass questions on, and can lag and lie."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from devnet.faulty_node.catalogue import Place
from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.switches import FaultSwitches
from devnet.faulty_node.tampering import TAMPERINGS, UNCHANGED
from devnet.ports import LOOPBACK
from devnet.running_chain import ChainNode, ChainOpener, RunningChain, Say
from ledger.json_hex import read_quantity

LIES = (
    *("receipts_wrong", "wrong_header", "truncated_results", "duplicate_log_index"),
    *("missing_log_index", "removed_log", "wrong_transaction_hash"),
)
"""Those of the faulty node's lies that spoil an answer without knowing the chain behind it."""

_TIMEOUT_SECONDS = 20.0
_INVALID_PARAMS = -32602


class NodeFront:
    """Answers as the node behind it does, but for what it was told to do wrong."""

    def __init__(self, behind_url: str, session: aiohttp.ClientSession) -> None:
        self._behind_url, self._session = behind_url, session
        self._lag = 0
        self._lies = FaultSwitches()
        # The lies chosen here look at the answer only; a model is merely what they are called with.
        self._model = ChainModel(Random(0))  # noqa: S311 - never looked at

    async def over_http(self, request: web.Request) -> web.Response:
        """One request, or several in a list."""
        asked = orjson.loads(await request.read())
        answer: Any
        if isinstance(asked, list):
            answer = await asyncio.gather(*(self._reply(item) for item in asked))
        else:
            answer = await self._reply(asked)
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    async def _reply(self, asked: dict[str, Any]) -> dict[str, Any]:
        method, params = asked["method"], list(asked.get("params") or [])
        if method.startswith("front_"):
            return self._steered(asked, method, params)
        head = read_quantity((await self._ask("eth_blockNumber", []))["result"], field="head")
        shown = max(0, head - self._lag)
        if self._lag and params and params[0] == "latest":
            params[0] = hex(shown)
        answer = await self._ask(method, params)
        if "result" in answer:
            answer["result"] = await self._spoilt(method, params, answer["result"], shown)
        return answer | {"id": asked.get("id")}

    def _steered(self, asked: dict[str, Any], method: str, params: list[Any]) -> dict[str, Any]:
        reply = {"jsonrpc": "2.0", "id": asked.get("id")}
        if method == "front_lag" and len(params) == 1 and isinstance(params[0], int):
            self._lag = max(0, params[0])
        elif method == "front_lie" and params and params[0] in LIES:
            self._lies.turn_on(params[0])
        elif method == "front_clear":
            self._lag = 0
            self._lies.clear()
        else:
            return reply | {"error": {"code": _INVALID_PARAMS, "message": f"no such {method}"}}
        return reply | {"result": {"lag": self._lag, "lies": list(self._lies.names())}}

    async def _spoilt(self, method: str, params: Sequence[Any], result: Any, shown: int) -> Any:
        if self._lag and _height(method, result) > shown:
            tagged = bool(params) and params[0] in ("safe", "finalized")
            if method == "eth_blockNumber":
                return hex(shown)
            return (
                (await self._ask(method, [hex(shown), *params[1:]]))["result"] if tagged else None
            )
        for switch in self._lies.switched(Place.ANSWER):
            strike = self._lies.draw(switch, method, orjson.dumps(params).decode())
            if strike is not None:
                told = TAMPERINGS[switch.fault.name](self._model, strike, result)
                result = result if told is UNCHANGED else told
        return result

    async def _ask(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._session.post(self._behind_url, json=body) as reply:
            answer: dict[str, Any] = await reply.json(content_type=None)
            return answer


def _height(method: str, result: Any) -> int:
    """The height that an answer speaks of, 0 for one that speaks of none."""
    if method == "eth_blockNumber":
        return int(result, 16)
    if method.startswith("eth_getBlockBy") and isinstance(result, dict):
        return int(result["number"], 16)
    if method == "eth_getBlockReceipts" and isinstance(result, list) and result:
        return int(result[0]["blockNumber"], 16)
    return 0


def fronted_chain(chain: ChainOpener, *, nodes: int) -> ChainOpener:
    """The same chain with `nodes` nodes: its own first, then fronts of that one."""

    @asynccontextmanager
    async def opened(logs: Path, say: Say) -> AsyncIterator[RunningChain]:
        async with chain(logs, say) as running, AsyncExitStack() as exits:
            first = running.nodes[0]
            fronts = [
                await exits.enter_async_context(_front(first.http_url)) for _ in range(nodes - 1)
            ]
            names = {
                f"front-{number}": node.http_url for number, node in enumerate(fronts, start=2)
            }
            yield RunningChain(
                (*running.nodes, *fronts),
                running.block_time_seconds,
                running.processes,
                running.controls | names,
            )

    return opened


@asynccontextmanager
async def _front(behind_url: str) -> AsyncIterator[ChainNode]:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/", NodeFront(behind_url, session).over_http)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, 0).start()
            yield ChainNode(f"http://{LOOPBACK}:{runner.addresses[0][1]}")
        finally:
            await runner.cleanup()
