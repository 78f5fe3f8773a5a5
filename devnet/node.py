"""A node's JSON-RPC as the devnet's tools need it: few calls, clear errors."""

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from contracts.revert import for_terminal, is_revert, revert_reason
from ledger.errors import RejectedError, TransientError
from ledger.json_hex import read_data, read_quantity, to_hex

_TIMEOUT_SECONDS = 10.0
_RECEIPT_POLL_SECONDS = 0.02
_RESEND_SECONDS = 6.0
_READ = re.compile("eth_(?!send)")


class CallRevertedError(RejectedError):
    """A contract refused a call; `reason` are its words, None where the node does not tell them."""

    def __init__(self, reason: str | None, told: str) -> None:
        words = f": {reason}" if reason else f"; all that the node tells is {told!r}"
        super().__init__("call_reverted", f"the contract refused{words}")
        self.reason = reason


@dataclass(frozen=True)
class Receipt:
    """What became of a transaction; `succeeded` is False when it was reverted."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    contract: bytes | None
    succeeded: bool


class Node:
    """One node; make it with `open_node`."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self._ids = itertools.count(1)
        self._in_no_block: dict[bytes, str] = {}
        self._resend_at = 0.0

    async def call(self, method: str, *params: Any) -> Any:
        """Make one call.

        Raises:
            TransientError: The node cannot be reached or does not answer in JSON.
            CallRevertedError: A contract refused what was called.
            RejectedError: `node_refused`: it answered with another error.
        """
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            answer = await self._post(body, is_read=_READ.match(method) is not None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise TransientError(f"no answer from the node at {self.url}: {error!r}") from error
        if not isinstance(answer, dict):
            raise TransientError(f"the node at {self.url} answers no JSON-RPC object")
        fault = answer.get("error")
        if fault is not None:
            raise _refusal(method, fault if isinstance(fault, dict) else {"message": fault})
        return answer.get("result")

    async def _post(self, body: dict[str, Any], *, is_read: bool) -> Any:
        """Ask, and once more what only reads: a busy node may hang up on a kept connection."""
        try:
            async with self._session.post(self.url, json=body) as reply:
                return await reply.json(content_type=None)
        except aiohttp.ServerDisconnectedError:
            if not is_read:
                raise
        return await self._post(body, is_read=False)

    async def quantity(self, method: str, *params: Any) -> int:
        """Make a call that answers a number."""
        return read_quantity(await self.call(method, *params), field=method)

    async def read_contract(self, contract: bytes, data: bytes) -> bytes:
        """Call a contract's view function at the head."""
        message = {"to": to_hex(contract), "data": to_hex(data)}
        return read_data(await self.call("eth_call", message, "latest"), field="eth_call")

    async def head(self) -> dict[str, Any]:
        """The latest block's header."""
        hydrated = False
        block: dict[str, Any] = await self.call("eth_getBlockByNumber", "latest", hydrated)
        return block

    async def send_raw(self, raw: bytes) -> bytes:
        """Give the node a signed transaction, and get its hash.

        Raises:
            RejectedError: `node_refused`, also for one that the chain has.
        """
        answer = await self.call("eth_sendRawTransaction", to_hex(raw))
        tx_hash = read_data(answer, field="eth_sendRawTransaction", length=32)
        self._in_no_block[tx_hash] = to_hex(raw)
        self._resend_at = time.monotonic() + _RESEND_SECONDS
        return tx_hash

    async def _send_again(self) -> None:
        """Send what was sent here and is in no block, in the same order.

        A client may lose what was in a block that fork choice threw away, and with it all that its
        sender has sent after it.
        """
        if time.monotonic() < self._resend_at:
            return
        self._resend_at = time.monotonic() + _RESEND_SECONDS
        for raw in list(self._in_no_block.values()):
            # One that is there already is refused, and so may be one that came too late.
            with contextlib.suppress(RejectedError):
                await self.call("eth_sendRawTransaction", raw)

    async def receipt(self, tx_hash: bytes, *, timeout_seconds: float = 60.0) -> Receipt:
        """Wait until the transaction is in a block; what was sent here is sent again meanwhile.

        Raises:
            TransientError: It was in none when the time was over; it may be in one later.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    found = await self.call("eth_getTransactionReceipt", to_hex(tx_hash))
                    if found is not None:
                        self._in_no_block.pop(tx_hash, None)
                        return _read_receipt(tx_hash, found)
                    await self._send_again()
                    await asyncio.sleep(_RECEIPT_POLL_SECONDS)
        except TimeoutError as error:
            raise TransientError(
                f"{to_hex(tx_hash)} is in no block after {timeout_seconds:.0f} s"
            ) from error


def _read_receipt(tx_hash: bytes, found: dict[str, Any]) -> Receipt:
    contract = found.get("contractAddress")
    return Receipt(
        tx_hash=tx_hash,
        block_number=read_quantity(found.get("blockNumber"), field="blockNumber"),
        block_hash=read_data(found.get("blockHash"), field="blockHash", length=32),
        contract=None if contract is None else read_data(contract, field="contractAddress"),
        succeeded=read_quantity(found.get("status"), field="status") == 1,
    )


def _refusal(method: str, error: dict[str, Any]) -> RejectedError:
    message = for_terminal(str(error.get("message", "no reason given")))
    if is_revert(error.get("code"), message):
        return CallRevertedError(revert_reason(error), message)
    return RejectedError("node_refused", f"the node refused {method}: {message}")


@asynccontextmanager
async def open_node(url: str) -> AsyncIterator[Node]:
    """A node to call for the length of the block."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Node(url, session)
