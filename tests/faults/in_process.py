"""A node without sockets, for an indexer that shall not notice the difference."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.view import RpcRefusal
from indexer.rpc import NodeRefusedError, NodeUnreachableError, RateLimitedError


class InProcessClient:
    """What `indexer.rpc.RpcClient` is, as far as a `Node` can tell."""

    url = "in process"

    def __init__(self, node: FaultyNode) -> None:
        self._node = node

    async def call(self, method: str, params: Sequence[Any]) -> Any:
        await asyncio.sleep(0)  # others run between question and answer, as on a network
        strike = self._node.wire_fault(method, params)
        if strike is not None:
            if strike.fault.name == "error_object":
                raise NodeRefusedError(method, -32603, "internal error")
            if strike.fault.name == "rate_limited":
                raise RateLimitedError(0.0)
            raise NodeUnreachableError(f"{method}: {strike.fault.name}")
        try:
            answer = self._node.answer(method, params)
        except RpcRefusal as refusal:
            raise NodeRefusedError(method, refusal.code, str(refusal)) from refusal
        return orjson.loads(orjson.dumps(answer))
