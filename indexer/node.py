"""What we ask a node, every answer proved before it is returned."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from contracts.followed import FOLLOW_NOTHING, EventDecoder
from indexer.block_answer import are_of_another_block, ask_for_block
from indexer.rpc import (
    NodeRefusedError,
    NodeUnreachableError,
    NotThereYetError,
    RpcClient,
)
from indexer.socket_rpc import SocketRpc
from ledger.block import ProvenBlock, prove_block
from ledger.chain import BlockRef
from ledger.header import Header, prove_header
from ledger.json_hex import UnprovenError, read_data, read_quantity, to_hex
from ledger.quorum_block import read_header, read_quorum_block
from ledger.verification import Verification

MAX_EVIDENCE_CHARACTERS = 65_536
"""How much of a node's own words is kept as evidence."""


@dataclass(frozen=True, slots=True)
class Depth:
    """The blocks that the node calls safe and finalized; None where it has none yet."""

    safe: BlockRef | None
    finalized: BlockRef | None


class Node:
    """One node, and the token and contracts whose logs we read from it."""

    def __init__(
        self,
        rpc: RpcClient | SocketRpc,
        *,
        token: bytes,
        socket: SocketRpc | None = None,
        events: EventDecoder = FOLLOW_NOTHING,
    ) -> None:
        self.rpc = rpc
        self.socket = socket
        self.verification = Verification.FULL
        self.token = token
        self.events = events

    async def chain_id(self) -> int:
        """The chain that the node says it is on (EIP-695)."""
        return read_quantity(await self.rpc.call("eth_chainId", []), field="chainId")

    async def header_by_number(self, number: int) -> Header:
        """A proven header at a height of the node's chain.

        Raises:
            NotThereYetError: the node's chain does not reach that height.
        """
        block = await self.rpc.call("eth_getBlockByNumber", [hex(number), False])
        if block is None:
            raise NotThereYetError(f"the node has no block {number}")
        header = self._header(block)
        if header.number != number:
            raise UnprovenError("header_number", f"asked for block {number}, got another")
        return header

    async def header_by_hash(self, block_hash: bytes) -> Header:
        """The proven header of one block.

        Raises:
            NotThereYetError: the node does not have the block.
        """
        block = await self.rpc.call("eth_getBlockByHash", [to_hex(block_hash), False])
        if block is None:
            raise NotThereYetError("the node does not have the block")
        return self._header(block, block_hash)

    async def head(self) -> Header:
        """The newest header of the node's chain."""
        block = await self.rpc.call("eth_getBlockByNumber", ["latest", False])
        if block is None:
            raise NotThereYetError("the node has no blocks")
        return self._header(block)

    async def block_by_hash(self, block_hash: bytes) -> ProvenBlock:
        """Fetch and prove one block.

        Raises:
            NotThereYetError: the node does not have the block or its receipts (yet).
            UnprovenError: what it answered does not check.
        """
        try:
            return await self._block_by_hash(self.rpc, block_hash)
        except (NotThereYetError, NodeUnreachableError):
            if self.socket is None or not self.socket.is_open:
                raise
        # Behind a load balancer HTTP may reach another machine than the one that announced the
        # block; the socket is that one. Asked second, for some nodes' sockets are slow to answer.
        return await self._block_by_hash(self.socket, block_hash)

    async def _block_by_hash(self, rpc: RpcClient | SocketRpc, block_hash: bytes) -> ProvenBlock:
        block, receipts = await ask_for_block(rpc, block_hash)
        return self._prove(block, receipts, block_hash)

    async def block_by_number(self, number: int) -> ProvenBlock:
        """Fetch and prove the block at a height of the node's chain; raises as `block_by_hash`."""
        height = hex(number)
        block, receipts = await asyncio.gather(
            self.rpc.call("eth_getBlockByNumber", [height, True]),
            self.rpc.call("eth_getBlockReceipts", [height]),
        )
        proven = self._prove(block, receipts, None)
        if proven.header.number != number:
            raise UnprovenError("header_number", f"asked for block {number}, got another")
        return proven

    async def depth(self) -> Depth:
        """What the node calls safe and finalized now.

        These two cannot be proved from a hash, so the ledger uses them only where they name a
        block that it has proved itself.
        """
        safe, finalized = await asyncio.gather(self._tagged("safe"), self._tagged("finalized"))
        return Depth(safe, finalized)

    async def code_block(self, address: bytes, *, head_number: int) -> int:
        """The number of the first block after which `address` has code, by bisection.

        Raises:
            NotThereYetError: there is no code there even now.
        """
        if not await self._has_code(address, head_number):
            raise NotThereYetError(f"there is no contract at {to_hex(address)}")
        low, high = 0, head_number
        while low < high:
            middle = (low + high) // 2
            if await self._has_code(address, middle):
                high = middle
            else:
                low = middle + 1
        return low

    async def _has_code(self, address: bytes, number: int) -> bool:
        code = await self.rpc.call("eth_getCode", [to_hex(address), hex(number)])
        return len(read_data(code, field="code")) > 0

    async def _tagged(self, tag: str) -> BlockRef | None:
        try:
            block = await self.rpc.call("eth_getBlockByNumber", [tag, False])
        except NodeRefusedError:
            return None  # before the first finalized block some nodes answer with an error
        if block is None:
            return None
        header = self._header(block)
        return BlockRef(header.number, header.hash)

    async def is_syncing(self) -> bool:
        """Whether the node says that it is still catching up itself, and so knows no head yet."""
        return bool(await self.rpc.call("eth_syncing", []))

    def _header(self, block: Mapping[str, Any], expected_hash: bytes | None = None) -> Header:
        check = prove_header if self.verification is Verification.FULL else read_header
        return check(block, expected_hash=expected_hash)

    def _prove(self, block: Any, receipts: Any, expected_hash: bytes | None) -> ProvenBlock:
        if not isinstance(block, Mapping) or not isinstance(receipts, list):
            raise NotThereYetError("the node does not have the block and its receipts")
        if not receipts and block.get("transactions"):
            # A lagging node answers an unknown hash with an empty list.
            raise NotThereYetError("the node does not have the block's receipts")
        if expected_hash is None and are_of_another_block(block, receipts):
            # Asked for by height, the two answers came from before and after a reorganisation.
            raise NotThereYetError("the node's chain changed between two answers")
        check = prove_block if self.verification is Verification.FULL else read_quorum_block
        try:
            return check(
                block,
                receipts,
                expected_hash=expected_hash,
                token=self.token,
                read_events=self.events,
            )
        except UnprovenError as error:
            error.details = _evidence(block, receipts)
            raise


def _evidence(block: Mapping[str, Any], receipts: list[Any]) -> dict[str, Any]:
    """The node's own words, as much of them as is kept."""
    answer = orjson.dumps({"block": block, "receipts": receipts}).decode()
    return {
        "blockHash": block.get("hash"),
        "answer": answer[:MAX_EVIDENCE_CHARACTERS],
        "answerLength": len(answer),
    }
