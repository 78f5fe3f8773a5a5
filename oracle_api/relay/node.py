"""The relay's node: the few calls that broadcasting needs, each bounded in time and size."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from contracts.revert import is_revert
from ledger.errors import TransientError
from ledger.json_hex import read_data, read_quantity, to_hex

REQUEST_TIMEOUT_SECONDS = 5.0
MAX_ANSWER_BYTES = 4 * 1024 * 1024
FALLBACK_TIP_WEI = 10**9


class NodeAwayError(TransientError):
    """The node did not answer, or not in JSON-RPC; what it did with the request is unknown."""


class NodeRefusedError(TransientError):
    """The node answered with a JSON-RPC error; `is_revert` when a contract said no."""

    def __init__(self, method: str, rpc_code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({rpc_code})")
        self.is_revert = is_revert(rpc_code, message)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block, and how deep the final ones lie; times in Unix seconds."""

    number: int
    timestamp: int
    base_fee_wei: int
    finalized_number: int
    finalized_timestamp: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction that a block holds."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    cost_wei: int


class RelayNode:
    """One node's HTTP endpoint; its URL may hold a key and is never told."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None
        self._ids = itertools.count(1)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep a session for the length of the block."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            self._session = session
            try:
                yield
            finally:
                self._session = None

    async def call(self, method: str, *params: Any) -> Any:
        """The result of one call.

        Raises:
            NodeAwayError, NodeRefusedError: as they say.
        """
        if self._session is None:
            raise NodeAwayError(f"{method}: the relay is starting or stopping")
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            async with self._session.post(
                self._url,
                data=orjson.dumps(request),
                headers={"content-type": "application/json"},
                # A node that sends us elsewhere would choose whom we ask, inside our network too.
                allow_redirects=False,
            ) as reply:
                body = await reply.content.read(MAX_ANSWER_BYTES)
                while not reply.content.at_eof():
                    body += await reply.content.read(MAX_ANSWER_BYTES)
                    if len(body) > MAX_ANSWER_BYTES:
                        raise NodeAwayError(f"{method}: the node's answer is too large")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Never the error's own words: they hold the URL.
            raise NodeAwayError(f"{method}: no answer: {type(error).__name__}") from None
        return _result_of(method, body)

    async def quantity(self, method: str, *params: Any) -> int:
        """The result of a call that answers a number."""
        return read_quantity(await self.call(method, *params), field=method)

    async def chain_id(self) -> int:
        """The chain that the node is on."""
        return await self.quantity("eth_chainId")

    async def head(self) -> Head:
        """The newest block."""
        head, final = await asyncio.gather(self._block("latest"), self._block("finalized"))
        if head is None:
            raise NodeAwayError("eth_getBlockByNumber: the node has no block")
        final = final or {"number": "0x0", "timestamp": "0x0"}
        return Head(
            number=read_quantity(head.get("number"), field="number"),
            timestamp=read_quantity(head.get("timestamp"), field="timestamp"),
            base_fee_wei=read_quantity(head.get("baseFeePerGas"), field="baseFeePerGas"),
            finalized_number=read_quantity(final.get("number"), field="number"),
            finalized_timestamp=read_quantity(final.get("timestamp"), field="timestamp"),
        )

    async def tip_wei(self) -> int:
        """What the node would add for whoever makes the block, per gas."""
        try:
            return await self.quantity("eth_maxPriorityFeePerGas")
        except NodeRefusedError:
            return FALLBACK_TIP_WEI

    async def balance_wei(self, address: bytes) -> int:
        """An account's coin for gas."""
        return await self.quantity("eth_getBalance", to_hex(address), "latest")

    async def transaction_count(self, address: bytes, block: int | str) -> int:
        """How many transactions of an account the chain holds up to a block; or `pending`."""
        tag = hex(block) if isinstance(block, int) else block
        return await self.quantity("eth_getTransactionCount", to_hex(address), tag)

    async def read_contract(self, contract: bytes, data: bytes, *, sender: bytes) -> bytes:
        """What a call would answer in the next block."""
        message = {"from": to_hex(sender), "to": to_hex(contract), "data": to_hex(data)}
        return read_data(await self._in_next_block("eth_call", message), field="eth_call")

    async def estimate_gas(self, contract: bytes, data: bytes, *, sender: bytes) -> int:
        """How much gas a call would take in the next block."""
        message = {"from": to_hex(sender), "to": to_hex(contract), "data": to_hex(data)}
        estimate = await self._in_next_block("eth_estimateGas", message)
        return read_quantity(estimate, field="eth_estimateGas")

    async def _in_next_block(self, method: str, message: dict[str, str]) -> Any:
        try:
            return await self.call(method, message, "pending")
        except NodeRefusedError as error:
            if error.is_revert:
                raise
            # Some clients make no pending block; their newest is the nearest to it.
            return await self.call(method, message, "latest")

    async def send(self, raw: bytes) -> None:
        """Give the node a signed transaction; the same bytes may be given any number of times."""
        await self.call("eth_sendRawTransaction", to_hex(raw))

    async def knows(self, tx_hash: bytes) -> bool:
        """Whether the node has the transaction, waiting or in a block."""
        return await self.call("eth_getTransactionByHash", to_hex(tx_hash)) is not None

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """What became of a transaction, or None while no block holds it."""
        found = await self.call("eth_getTransactionReceipt", to_hex(tx_hash))
        if not isinstance(found, dict):
            return None
        gas = read_quantity(found.get("gasUsed"), field="gasUsed")
        price = read_quantity(found.get("effectiveGasPrice"), field="effectiveGasPrice")
        return Receipt(
            tx_hash=tx_hash,
            block_number=read_quantity(found.get("blockNumber"), field="blockNumber"),
            block_hash=read_data(found.get("blockHash"), field="blockHash", length=32),
            succeeded=read_quantity(found.get("status"), field="status") == 1,
            cost_wei=gas * price,
        )

    async def logs(
        self, contract: bytes, topics: list[Any], *, first_number: int
    ) -> list[dict[str, Any]]:
        """A contract's logs from a block on."""
        query = {
            "address": to_hex(contract),
            "topics": topics,
            "fromBlock": hex(first_number),
            "toBlock": "latest",
        }
        found = await self.call("eth_getLogs", query)
        return [log for log in found or () if isinstance(log, dict)]

    async def _block(self, tag: str) -> dict[str, Any] | None:
        hydrated = False
        try:
            block = await self.call("eth_getBlockByNumber", tag, hydrated)
        except NodeRefusedError:
            # A young chain has no finalized block yet, which some nodes call an error.
            return None
        return block if isinstance(block, dict) else None


def _result_of(method: str, body: bytes) -> Any:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NodeAwayError(f"{method}: the node did not answer in JSON") from None
    if not isinstance(answer, dict):
        raise NodeAwayError(f"{method}: the node's answer is not a JSON-RPC object")
    fault = answer.get("error")
    if fault is not None:
        details = fault if isinstance(fault, dict) else {}
        code = details.get("code")
        message = str(details.get("message", fault))[:300]
        raise NodeRefusedError(method, code if isinstance(code, int) else 0, message)
    return answer.get("result")
