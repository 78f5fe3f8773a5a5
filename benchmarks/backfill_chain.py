"""A long chain of transfers for the backfill: made once, kept as a file, loaded in seconds."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from benchmarks.figures import say
from devnet.anvil import anvil
from devnet.deploy import deploy
from devnet.dev_accounts import DEPLOYER_INDEX, TREASURY_INDEX, dev_account
from devnet.home import make_private, state_home
from devnet.manifest import Manifest, load_manifest, write_manifest
from devnet.node import Node, open_node
from devnet.transactions import Message, address_of, require_success, send
from ledger.json_hex import read_data, to_hex
from ledger.keccak import keccak256
from ledger.transfer import TRANSFER_TOPIC

TRANSFERS_PER_BLOCK = 10

_GENESIS_UNIX_SECONDS = 1_700_000_000
_GAS_LIMIT = 200_000
_TIMEOUT_SECONDS = 600.0
_STATE_FILE = "state.json"
_SAY_EVERY_BLOCKS = 2_000
_ARGUMENTS = ("--timestamp", str(_GENESIS_UNIX_SECONDS), "--prune-history", "64")


@dataclass(frozen=True, slots=True)
class HistoryChain:
    """A running chain whose blocks `first` to `last` hold ten transfers in one transaction each."""

    manifest: Manifest
    first: int
    last: int


@asynccontextmanager
async def history_chain(*, blocks: int) -> AsyncIterator[HistoryChain]:
    """Run the chain; the first time it is made, which takes minutes for 20,000 blocks."""
    folder = make_private(state_home() / "bench" / f"chain-{blocks}")
    state = folder / _STATE_FILE
    if not state.exists():
        await _make(folder, blocks)
    arguments = (*_ARGUMENTS, "--load-state", str(state))
    async with anvil(mining=False, arguments=arguments) as chain, open_node(chain.http_url) as node:
        written = load_manifest(folder, {})
        manifest = Manifest(
            written.deployment, chain.http_url, chain.ws_url, start_block=written.start_block
        )
        last = await node.quantity("eth_blockNumber")
        yield HistoryChain(manifest, last - blocks + 1, last)


async def _make(folder: Path, blocks: int) -> None:
    say(f"making a chain of {blocks} blocks in {folder}, once ...")
    payer = dev_account(DEPLOYER_INDEX)
    async with anvil(arguments=_ARGUMENTS) as chain, open_node(chain.http_url) as node:
        manifest = await deploy(
            node,
            payer,
            chain_id=chain.chain_id,
            treasury=address_of(dev_account(TREASURY_INDEX)),
            node_ws_url=chain.ws_url,
        )
        emitter = await deploy_emitter(node, chain.chain_id, transfers=TRANSFERS_PER_BLOCK)
        await _emit(node, payer.address, emitter, blocks)
        manifest = replace(manifest, deployment=replace(manifest.deployment, token=emitter))
        write_manifest(folder, manifest.variables())
        await _save(chain.http_url, folder / _STATE_FILE)


async def deploy_emitter(node: Node, chain_id: int, *, transfers: int) -> bytes:
    """Put a token on the chain that tells of so many transfers (at most 255) for each call."""
    code = _init_code(transfers)
    tx_hash = await send(node, dev_account(DEPLOYER_INDEX), Message(None, code), chain_id=chain_id)
    emitter = require_success(await node.receipt(tx_hash)).contract
    if emitter is None:
        raise RuntimeError("the emitter was not deployed")
    return emitter


async def _emit(node: Node, sender: str, emitter: bytes, blocks: int) -> None:
    """One transaction a block; blocks are asked for, so that none holds two."""
    await node.call("evm_setAutomine", False)  # noqa: FBT003 - a JSON-RPC parameter
    for index in range(blocks):
        # All recipients differ, as customers' order addresses do.
        recipient = keccak256(index.to_bytes(8, "big"))[:19] + bytes(1)
        data = bytes(12) + recipient + (10**18 + index).to_bytes(32, "big")
        call = {
            "from": sender,
            "to": to_hex(emitter),
            "gas": hex(_GAS_LIMIT),
            "data": to_hex(data),
        }
        await node.call("eth_sendTransaction", call)
        await node.call("evm_mine")
        if index % _SAY_EVERY_BLOCKS == 0:
            say(f"  block {index} of {blocks}")


async def _save(url: str, path: Path) -> None:
    """Write anvil's state, which it gives zipped and wants back plain."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        zipped = read_data(await Node(url, session).call("anvil_dumpState"), field="state")
    partial = path.with_suffix(".partial")
    partial.write_bytes(gzip.decompress(zipped))
    partial.rename(path)


def _init_code(transfers: int) -> bytes:
    """A token that only tells of transfers: `transfers` logs for a call with (recipient, amount).

    A real one would keep two hundred thousand balances, whose copies make anvil slower by the
    block; an indexer sees no difference. Written as instructions, for the project's compiler is
    no dependency of its benchmarks.
    """
    head = bytes.fromhex("6020 35 5f 52 60") + bytes((transfers,))  # mem[0:32] = amount
    log = bytes.fromhex("5b 80 5f 35 01 33 7f") + TRANSFER_TOPIC + bytes.fromhex("6020 5f a3")
    again = bytes.fromhex("6001 90 03 80 60") + bytes((len(head),)) + bytes.fromhex("57 00")
    runtime = head + log + again
    return bytes.fromhex(f"60{len(runtime):02x} 80 6009 5f 39 5f f3") + runtime
