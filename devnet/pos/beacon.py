"""The consensus client's HTTP API (Ethereum's Beacon API), as far as the devnet needs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from ledger.errors import RejectedError, TransientError

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Peer:
    """How other clients reach this one: its identity, and a multiaddress on loopback."""

    id: str
    address: str


@dataclass(frozen=True)
class Checkpoints:
    """The epochs that the head's state calls justified (`safe`) and finalized."""

    justified: int
    finalized: int


class Beacon:
    """One consensus client; make it with `open_beacon`."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def _ask(self, method: str, path: str, **query: str) -> Any:
        # It refuses a POST without a JSON body, even where nothing is to be said in it.
        sent: dict[str, str] | None = {} if method == "POST" else None
        try:
            async with self._session.request(
                method, self.url + path, params=query, json=sent
            ) as reply:
                body = await reply.json(content_type=None) if reply.status < 500 else None  # noqa: PLR2004
                status, text = reply.status, await reply.text()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise TransientError(
                f"no answer from the consensus client at {self.url}: {error!r}"
            ) from error
        if status >= 500:  # noqa: PLR2004 - the server's own failures
            raise TransientError(f"{path} was answered with {status}: {text[:300]}")
        if status >= 400:  # noqa: PLR2004 - a refusal
            raise RejectedError("beacon_refused", f"{path} was refused ({status}): {text[:300]}")
        return body.get("data") if isinstance(body, dict) else body

    async def genesis_time(self) -> int:
        """When slot 0 began, in Unix seconds; an error as long as the client is not up."""
        return int((await self._ask("GET", "/eth/v1/beacon/genesis"))["genesis_time"])

    async def checkpoints(self) -> Checkpoints:
        """What is justified and finalized."""
        data = await self._ask("GET", "/eth/v1/beacon/states/head/finality_checkpoints")
        return Checkpoints(int(data["current_justified"]["epoch"]), int(data["finalized"]["epoch"]))

    async def head_slot(self) -> int:
        """The slot of the head block."""
        data = await self._ask("GET", "/eth/v1/beacon/headers/head")
        return int(data["header"]["message"]["slot"])

    async def head_attestations(self) -> int:
        """How many validators' attestations the head block carries."""
        data = await self._ask("GET", "/eth/v2/beacon/blocks/head")
        attestations = data["message"]["body"]["attestations"]
        return sum(_votes(item["aggregation_bits"]) for item in attestations)

    async def peer(self) -> Peer:
        """This client as a peer of others."""
        data = await self._ask("GET", "/eth/v1/node/identity")
        addresses = [text for text in data["p2p_addresses"] if "/ip4/127.0.0.1/tcp/" in text]
        if not addresses:
            raise TransientError(f"the consensus client at {self.url} does not listen yet")
        return Peer(data["peer_id"], addresses[0].split("/p2p/")[0])

    async def connected(self) -> int:
        """How many peers it is connected to."""
        peers = await self._ask("GET", "/eth/v1/node/peers", state="connected")
        return len(peers)

    async def connect(self, peer: Peer) -> None:
        """Connect to a peer; being connected already is no error."""
        await self._ask(
            "POST", "/eth/v1/lodestar/connect_peer", peerId=peer.id, multiaddr=peer.address
        )

    async def disconnect(self, peer: Peer) -> None:
        """Cut the connection to a peer."""
        await self._ask("POST", "/eth/v1/lodestar/disconnect_peer", peerId=peer.id)


def _votes(bits: str) -> int:
    """How many bits of an SSZ bit list are set, without the one that marks its end."""
    return sum(byte.bit_count() for byte in bytes.fromhex(bits.removeprefix("0x"))) - 1


@asynccontextmanager
async def open_beacon(url: str) -> AsyncIterator[Beacon]:
    """A consensus client to talk to for the length of the block."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Beacon(url, session)
