"""Pay a payment request as a wallet does: check everything, say what will happen, sign, send."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from contracts.billcoin import Authorization
from contracts.signing import LocalAccount
from devnet import token_calls
from devnet.node import Node
from devnet.transactions import Message, address_of, send
from ledger.deployment import Deployment
from ledger.errors import RejectedError
from ledger.json_hex import read_quantity
from ledger.payment_uri import TransferRequest, format_address, parse_payment_uri
from ledger.units import format_bill

AUTHORIZATION_LIFETIME_SECONDS = 600


@dataclass(frozen=True)
class Plan:
    """A payment that has passed every check which needs no key."""

    request: TransferRequest
    payer: bytes

    def describe(self, *, relayer: bytes | None) -> str:
        """What the person is about to agree to."""
        gas_payer = "the payer" if relayer is None else format_address(relayer)
        return (
            f"Pay {format_bill(self.request.units)} BILL\n"
            f"  from   {format_address(self.payer)}\n"
            f"  to     {format_address(self.request.recipient)}\n"
            f"  chain  {self.request.chain_id}\n"
            f"  gas    paid by {gas_payer}"
        )


async def plan_payment(node: Node, uri: str, payer: bytes, *, deployment: Deployment) -> Plan:
    """Read the request and make sure that this wallet can and should pay it.

    Raises:
        RejectedError: A code of `parse_payment_uri`, or `chain_unexpected`, `token_unexpected`,
            `recipient_unsafe` or `balance_insufficient`.
    """
    request = parse_payment_uri(uri)
    if request.chain_id != deployment.chain_id:
        raise RejectedError(
            "chain_unexpected",
            f"the request is for chain {request.chain_id}, this wallet is on "
            f"{deployment.chain_id}: it pays nothing there",
            param="chainId",
        )
    if request.token != deployment.token:
        raise RejectedError(
            "token_unexpected",
            f"the request is for the token {format_address(request.token)}, "
            f"BillCoin is {format_address(deployment.token)}",
            param="token",
        )
    if request.recipient in (deployment.token, bytes(20)):
        raise RejectedError(
            "recipient_unsafe", "BILL sent to this address would be lost", param="address"
        )
    node_chain_id = await node.quantity("eth_chainId")
    if node_chain_id != deployment.chain_id:
        raise RejectedError(
            "chain_unexpected", f"the node at {node.url} is on chain {node_chain_id}"
        )
    held = await token_calls.balance(node, deployment.token, payer)
    if held < request.units:
        raise RejectedError(
            "balance_insufficient",
            f"{format_bill(request.units)} BILL are asked for, the wallet has {format_bill(held)}",
        )
    return Plan(request, payer)


async def broadcast(
    node: Node,
    plan: Plan,
    payer: LocalAccount,
    *,
    keep: Callable[[bytes], None] | None = None,
) -> bytes:
    """Send a plain ERC-20 transfer, whose gas the payer pays; return its hash.

    `keep` is given the signed transaction first, see `devnet.transactions.send`.
    """
    request = plan.request
    data = token_calls.transfer(request.recipient, request.units)
    message = Message(request.token, data)
    return await send(node, payer, message, chain_id=request.chain_id, keep=keep)


async def broadcast_gasless(
    node: Node,
    plan: Plan,
    payer: LocalAccount,
    relayer: LocalAccount,
    *,
    keep: Callable[[bytes], None] | None = None,
) -> bytes:
    """Sign an authorisation to the order address and let the relayer send it; return its hash.

    It cannot be sent to anybody else or twice, and is worthless some minutes later. `keep` is given
    the relayer's transaction, see `devnet.transactions.send`.
    """
    request = plan.request
    head = await node.head()
    now_seconds = read_quantity(head.get("timestamp"), field="timestamp")
    authorization = Authorization(
        owner=address_of(payer),
        to=request.recipient,
        units=request.units,
        valid_after_seconds=0,
        valid_before_seconds=now_seconds + AUTHORIZATION_LIFETIME_SECONDS,
        nonce=secrets.token_bytes(32),
    )
    data = token_calls.transfer_with_authorization(
        authorization, payer, chain_id=request.chain_id, token=request.token
    )
    message = Message(request.token, data)
    return await send(node, relayer, message, chain_id=request.chain_id, keep=keep)
