"""What a fault does to the chain of a running devnet: through its clients, or by pausing them."""

import asyncio
import contextlib
import os
import signal
from typing import Any

from devnet.background.record import Profile, Record
from devnet.node import open_node
from devnet.pos.beacon import open_beacon
from devnet.running_chain import BLOCK_TIME_SECONDS
from ledger.errors import RejectedError, TransientError

_MEETING_SECONDS = 60.0
_LOOK_SECONDS = 0.5


async def reorganise(record: Record, depth: int) -> dict[str, Any]:
    """Replace the newest blocks of anvil's chain; their transactions are dropped.

    anvil would replace what it calls finalized as well, which no chain may: an indexer halts then.

    Raises:
        RejectedError: `reorg_past_finalized`.
    """
    hydrated = False
    async with open_node(record.controls["anvil"]) as node:
        final = await node.call("eth_getBlockByNumber", "finalized", hydrated)
        above = await node.quantity("eth_blockNumber") - int(final["number"], 16)
        if depth > above:
            raise RejectedError(
                "reorg_past_finalized",
                f"only {above} blocks lie above the finalized one: no chain may replace more",
                param="depth",
            )
        no_transactions: list[Any] = []
        await node.call("anvil_reorg", depth, no_transactions)
    return {"depth": depth}


async def part(record: Record) -> dict[str, Any]:
    """Cut the connection between the two consensus clients."""
    _require_nodes(record, 2)
    async with (
        open_beacon(record.controls["beacon-1"]) as first,
        open_beacon(record.controls["beacon-2"]) as second,
    ):
        await first.disconnect(await second.peer())
    return {"majority": record.node_urls[0], "minority": record.node_urls[1]}


async def heal(record: Record) -> dict[str, Any]:
    """Connect the two consensus clients."""
    _require_nodes(record, 2)
    await _meet(record)
    return {}


async def pause_blocks(record: Record) -> dict[str, Any]:
    """Make no more blocks."""
    if record.profile is Profile.POS:
        return _signal(record, signal.SIGSTOP, "validators-1", "validators-2")
    return await _mine_each(record, 0)


async def resume_blocks(record: Record) -> dict[str, Any]:
    """Make blocks again."""
    if record.profile is Profile.POS:
        return _signal(record, signal.SIGCONT, "validators-1", "validators-2")
    return await _mine_each(record, int(BLOCK_TIME_SECONDS))


async def stop_validators(record: Record) -> dict[str, Any]:
    """Pause the smaller group."""
    return _signal(record, signal.SIGSTOP, "validators-2")


async def start_validators(record: Record) -> dict[str, Any]:
    """Let the smaller group go on."""
    return _signal(record, signal.SIGCONT, "validators-2")


async def lag(record: Record, blocks: int) -> dict[str, Any]:
    """Leave the last node behind."""
    _require_nodes(record, 2)
    if record.profile is Profile.POS:
        return _signal(record, signal.SIGSTOP, "consensus-2")
    return await _steer(record, "front_lag", blocks)


async def catch_up(record: Record) -> dict[str, Any]:
    """Make the last node well."""
    _require_nodes(record, 2)
    if record.profile is Profile.POS:
        told = _signal(record, signal.SIGCONT, "consensus-2")
        # A peer that was silent for some time has been given up by the other.
        await _meet(record)
        return told
    return await _steer(record, "front_clear")


async def lie(record: Record, how: str) -> dict[str, Any]:
    """Spoil the last node's answers."""
    _require_nodes(record, 2)
    return await _steer(record, "front_lie", how)


async def _meet(record: Record) -> None:
    """Connect the second consensus client to the first, until the first calls it connected.

    One that was paused believes for a moment in a connection that the other has closed.
    """
    async with (
        open_beacon(record.controls["beacon-1"]) as first,
        open_beacon(record.controls["beacon-2"]) as second,
    ):
        try:
            async with asyncio.timeout(_MEETING_SECONDS):
                while not await first.connected():
                    with contextlib.suppress(TransientError):
                        await second.connect(await first.peer())
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError as error:
            raise TransientError("the consensus clients do not connect; try again") from error


async def _mine_each(record: Record, seconds: int) -> dict[str, Any]:
    async with open_node(record.controls["anvil"]) as node:
        await node.call("evm_setIntervalMining", seconds)
    return {"blockTimeSeconds": seconds}


async def _steer(record: Record, method: str, *params: Any) -> dict[str, Any]:
    url = record.controls[f"front-{record.nodes}"]
    async with open_node(url) as node:
        told: dict[str, Any] = await node.call(method, *params)
    return {"node": url, **told}


def _require_nodes(record: Record, count: int) -> None:
    if record.nodes < count:
        raise RejectedError(
            "nodes_missing",
            f"this needs {count} nodes, one is up: `billcoin-devnet up --profile "
            f"{record.profile} --nodes {count}`",
        )


def _signal(record: Record, number: signal.Signals, *names: str) -> dict[str, Any]:
    for name in names:
        process = record.processes.get(name)
        if process is None or not process.is_alive():
            raise TransientError(f"{name} does not run any more; see `billcoin-devnet status`")
        os.kill(process.pid, number)
    return {"processes": list(names)}
