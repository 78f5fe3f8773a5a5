"""What nodes, consensus clients and oracle say of themselves, for `status`."""

from typing import Any

from devnet.background.record import Record
from devnet.node import Node, open_node
from devnet.oracle_client import open_oracle
from devnet.pos.beacon import open_beacon
from ledger.errors import RejectedError, TransientError
from ledger.json_hex import read_quantity


async def state_of_chain(record: Record) -> dict[str, Any]:
    """Heights of each node, the beacon's view where there is one, and the oracle's readiness."""
    beacons = [url for name, url in record.controls.items() if name.startswith("beacon-")]
    chain = [await _node(url) for url in record.node_urls]
    for number, url in enumerate(beacons):
        chain[number] |= await _beacon(url)
    if not record.oracle_url:
        return {"chain": chain, "oracle": "starting"}
    async with open_oracle(record.oracle_url) as oracle:
        return {"chain": chain, "oracle": await oracle.readiness()}


async def _node(url: str) -> dict[str, Any]:
    async with open_node(url) as node:
        try:
            heights = {tag: await _height(node, tag) for tag in ("latest", "safe", "finalized")}
        except TransientError:
            return {"node": url, "answers": False}
    return {"node": url, "answers": True, **heights}


async def _height(node: Node, tag: str) -> int | None:
    hydrated = False
    try:
        block = await node.call("eth_getBlockByNumber", tag, hydrated)
    except RejectedError:
        return None
    return None if block is None else read_quantity(block["number"], field="number")


async def _beacon(url: str) -> dict[str, Any]:
    async with open_beacon(url) as beacon:
        try:
            checkpoints = await beacon.checkpoints()
            return {
                "slot": await beacon.head_slot(),
                "justifiedEpoch": checkpoints.justified,
                "finalizedEpoch": checkpoints.finalized,
                "peers": await beacon.connected(),
            }
        except TransientError:
            return {"slot": None}
