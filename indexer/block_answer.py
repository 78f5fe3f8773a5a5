"""A block and its receipts as one node answers them, asked for by the block's hash."""

import asyncio
from collections.abc import Mapping
from typing import Any

from indexer.rpc import RpcClient
from indexer.socket_rpc import SocketRpc
from ledger.json_hex import to_hex


async def ask_for_block(rpc: RpcClient | SocketRpc, block_hash: bytes) -> tuple[Any, Any]:
    """The block with its transactions, and its receipts; None for what the node lacks.

    Some execution clients take no hash in `eth_getBlockReceipts` and answer null. They are asked
    by height then: what comes belongs to the block, or to the one that has replaced it meanwhile,
    which is as good as nothing. Nothing is believed here; both are still to be proved.
    """
    wanted = to_hex(block_hash)
    block, receipts = await asyncio.gather(
        rpc.call("eth_getBlockByHash", [wanted, True]),
        rpc.call("eth_getBlockReceipts", [wanted]),
    )
    if receipts is None and isinstance(block, Mapping) and isinstance(block.get("number"), str):
        receipts = await rpc.call("eth_getBlockReceipts", [block["number"]])
        if isinstance(receipts, list) and are_of_another_block(block, receipts):
            receipts = None
    return block, receipts


def are_of_another_block(block: Mapping[str, Any], receipts: list[Any]) -> bool:
    """Whether the receipts themselves say that they belong to another block than this one."""
    first = receipts[0] if receipts else None
    return isinstance(first, Mapping) and first.get("blockHash") != block.get("hash")
