"""A chain that runs, whatever made of: its nodes, its pace, its processes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from devnet.anvil import anvil
from devnet.process import LeashedProcess

BLOCK_TIME_SECONDS = 1.0
# `finalized` is two epochs behind the head: four blocks instead of sixty-four.
SLOTS_IN_AN_EPOCH = 2

Say: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class ChainNode:
    """One node's addresses; `ws_url` is empty for a node without a WebSocket."""

    http_url: str
    ws_url: str = ""


@dataclass(frozen=True)
class RunningChain:
    """Its nodes, the first of which wallets use; `processes` are those that must not end.

    `controls` are the addresses through which a fault is brought about, by name.
    """

    nodes: tuple[ChainNode, ...]
    block_time_seconds: float
    processes: tuple[LeashedProcess, ...]
    controls: dict[str, str] = field(default_factory=dict)


ChainOpener: TypeAlias = Callable[[Path, Say], AbstractAsyncContextManager[RunningChain]]
"""Runs a chain for the length of the block; its logs go to the folder."""


def simulated_chain(*, port: int | None = None, state_path: Path | None = None) -> ChainOpener:
    """Anvil alone: a block a second, and tags that only look like proof of stake's."""

    @asynccontextmanager
    async def opened(logs: Path, _say: Say) -> AsyncIterator[RunningChain]:
        async with anvil(
            block_time_seconds=BLOCK_TIME_SECONDS,
            slots_in_an_epoch=SLOTS_IN_AN_EPOCH,
            port=port or 0,
            state_path=state_path,
            log_path=logs / "anvil.log",
        ) as chain:
            yield RunningChain(
                (ChainNode(chain.http_url, chain.ws_url),),
                BLOCK_TIME_SECONDS,
                (chain.process,),
                {"anvil": chain.http_url},
            )

    return opened
