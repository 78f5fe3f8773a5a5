"""Give an account BILL and gas, out of nothing and out of the minter's own purse."""

import asyncio

from contracts.signing import LocalAccount
from devnet import token_calls
from devnet.node import Node, Receipt
from devnet.transactions import Message, require_success, send_in_order
from ledger.deployment import Deployment
from ledger.units import Units


async def give(
    node: Node,
    minter: LocalAccount,
    recipient: bytes,
    *,
    deployment: Deployment,
    units: Units,
    gas_wei: int,
) -> list[Receipt]:
    """Mint `units` and send `gas_wei`, each if any, and wait for both.

    Raises:
        RejectedError: `minter` may not mint, or cannot pay.
    """
    messages = []
    if units:
        messages.append(Message(deployment.token, token_calls.mint(recipient, units)))
    if gas_wei:
        messages.append(Message(recipient, value_wei=gas_wei))
    hashes = await send_in_order(node, minter, messages, chain_id=deployment.chain_id)
    receipts = await asyncio.gather(*(node.receipt(tx_hash) for tx_hash in hashes))
    return [require_success(receipt) for receipt in receipts]
