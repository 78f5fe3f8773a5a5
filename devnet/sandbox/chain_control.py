"""What only a chain of one's own lets one do: hold back blocks, make one, take one back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from devnet.node import Node
from ledger.errors import RejectedError
from ledger.json_hex import read_quantity

_POLL_SECONDS = 0.05


async def require_obedient(node: Node) -> None:
    """Make sure that the chain does what it is told.

    Raises:
        RejectedError: `chain_unsupported`.
    """
    version = str(await node.call("web3_clientVersion"))
    if not version.lower().startswith("anvil"):
        raise RejectedError(
            "chain_unsupported",
            f"{version} takes no block back on demand: use a demo's own chain (anvil)",
        )


@asynccontextmanager
async def blocks_held_back(node: Node) -> AsyncIterator[None]:
    """No block is made but by `make_block` for the length of the block of code.

    Raises:
        RejectedError: `chain_unsupported`.
    """
    await require_obedient(node)
    makes_at_once = bool(await node.call("anvil_getAutomine"))
    interval_seconds = await node.call("anvil_getIntervalMining")
    if not makes_at_once and not interval_seconds:
        raise RejectedError(
            "chain_unsupported", "this chain's blocks cannot be held back and let go again"
        )
    await node.call("evm_setIntervalMining", 0)
    await node.call("evm_setAutomine", False)  # noqa: FBT003 - JSON-RPC knows no names
    try:
        yield
    finally:
        if makes_at_once:
            await node.call("evm_setAutomine", True)  # noqa: FBT003 - as above
        else:
            await node.call("evm_setIntervalMining", interval_seconds)


async def make_block(node: Node) -> None:
    """Make a block of what waits."""
    await node.call("evm_mine")


async def take_back(node: Node, *, depth: int) -> None:
    """Replace the newest blocks by as many empty ones."""
    await node.call("anvil_reorg", depth, [])


async def until_chain_time(node: Node, unix_seconds: int) -> None:
    """Wait until a block is from after that time; make one where the chain makes none by itself."""
    makes_at_once = bool(await node.call("anvil_getAutomine"))
    while read_quantity((await node.head())["timestamp"], field="timestamp") <= unix_seconds:
        await asyncio.sleep(_POLL_SECONDS)
        if makes_at_once:
            await make_block(node)
