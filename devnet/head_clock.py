"""When each block was announced: the node's own newHeads, on a connection of our own."""

import json
from collections.abc import Callable

import aiohttp

from ledger.json_hex import read_quantity

_SUBSCRIBE = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}


class HeadClock:
    """Notes the time of each head; looks at the clock first, at the message afterwards."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[int, float] = {}

    async def follow(self, ws_url: str) -> None:
        """Take in heads until the connection ends; a node without one notes nothing."""
        if not ws_url:
            return
        async with aiohttp.ClientSession() as session, session.ws_connect(ws_url) as socket:
            await socket.send_json(_SUBSCRIBE)
            async for message in socket:
                now = self._clock()
                head = json.loads(message.data).get("params", {}).get("result")
                if head is not None:
                    self._seen.setdefault(read_quantity(head["number"], field="number"), now)

    def age_seconds(self, block_number: int) -> float:
        """How long ago the block was announced; nothing if that was not seen."""
        now = self._clock()
        return now - self._seen.get(block_number, now)
