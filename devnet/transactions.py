"""Sign and send a transaction (EIP-1559) from an account whose key we hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contracts.signing import LocalAccount
from devnet.node import Node, Receipt
from ledger.errors import RejectedError
from ledger.json_hex import read_quantity, to_hex

_TIP_WEI = 10**9
# The base fee rises by at most an eighth a block: twice it lasts six full blocks.
_BASE_FEE_MARGIN = 2


@dataclass(frozen=True)
class Message:
    """What a transaction does; no `to` deploys `data`."""

    to: bytes | None
    data: bytes = b""
    value_wei: int = 0


def address_of(account: LocalAccount) -> bytes:
    """The account's address, 20 bytes."""
    return bytes.fromhex(account.address[2:])


def _call_object(sender: LocalAccount, message: Message) -> dict[str, str]:
    fields = {
        "from": sender.address,
        "data": to_hex(message.data),
        "value": hex(message.value_wei),
    }
    return fields if message.to is None else fields | {"to": to_hex(message.to)}


async def send(
    node: Node,
    sender: LocalAccount,
    message: Message,
    *,
    chain_id: int,
    nonce: int | None = None,
    gas_limit: int | None = None,
    keep: Callable[[bytes], None] | None = None,
) -> bytes:
    """Send the transaction and return its hash, without waiting for a block.

    Args:
        node: Where to send it.
        sender: Who signs and pays for the gas.
        message: What it does.
        chain_id: The only chain that the signature is good for.
        nonce: The next one by default, counting those that wait for a block.
        gas_limit: The node's estimate and some more by default; name one where the transaction
            only works after others that still wait.
        keep: Is given the signed transaction before it is sent, to send it again should the chain
            lose it.

    Raises:
        RejectedError: `transaction_would_fail`, `gas_missing` or `node_refused`.
    """
    if gas_limit is None:
        gas_limit = await _estimate_gas(node, sender, message)
    max_fee_wei = await _max_fee_wei(node)
    cost_wei = gas_limit * max_fee_wei + message.value_wei
    await _require_coin(node, sender, cost_wei)
    if nonce is None:
        nonce = await node.quantity("eth_getTransactionCount", sender.address, "pending")
    signed = sender.sign_transaction(
        {
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            # No payee is how a transaction says that it deploys.
            "to": b"" if message.to is None else message.to,
            "data": message.data,
            "value": message.value_wei,
            "gas": gas_limit,
            "maxFeePerGas": max_fee_wei,
            "maxPriorityFeePerGas": _TIP_WEI,
        }
    )
    raw = bytes(signed.raw_transaction)
    if keep is not None:
        keep(raw)
    return await node.send_raw(raw)


async def send_in_order(
    node: Node,
    sender: LocalAccount,
    messages: Sequence[Message],
    *,
    chain_id: int,
    gas_limit: int | None = None,
) -> list[bytes]:
    """Send one after the other, without waiting for blocks; see `send`."""
    nonce = await node.quantity("eth_getTransactionCount", sender.address, "pending")
    return [
        await send(
            node, sender, message, chain_id=chain_id, nonce=nonce + place, gas_limit=gas_limit
        )
        for place, message in enumerate(messages)
    ]


async def _max_fee_wei(node: Node) -> int:
    head = await node.head()
    base_fee_wei = read_quantity(head.get("baseFeePerGas"), field="baseFeePerGas")
    return base_fee_wei * _BASE_FEE_MARGIN + _TIP_WEI


async def _require_coin(node: Node, sender: LocalAccount, cost_wei: int) -> None:
    if await node.quantity("eth_getBalance", sender.address, "latest") < cost_wei:
        raise RejectedError(
            "gas_missing",
            f"{sender.address} cannot pay for the gas; pay with --gasless, or get some gas",
        )


async def _estimate_gas(node: Node, sender: LocalAccount, message: Message) -> int:
    """A fifth above the node's estimate: state may change before the transaction runs."""
    try:
        estimate = await node.quantity("eth_estimateGas", _call_object(sender, message))
    except RejectedError as error:
        raise RejectedError(
            "transaction_would_fail", f"the transaction would fail: {error}"
        ) from error
    return estimate * 6 // 5


def require_success(receipt: Receipt) -> Receipt:
    """Give the receipt back.

    Raises:
        RejectedError: `transaction_reverted`.
    """
    if not receipt.succeeded:
        raise RejectedError("transaction_reverted", f"{to_hex(receipt.tx_hash)} was reverted")
    return receipt
