"""The token's functions as call data."""

from eth_abi.abi import encode

from contracts import billcoin
from contracts.billcoin import Authorization
from contracts.signing import LocalAccount, encode_typed_data
from devnet.node import Node
from ledger.errors import RejectedError
from ledger.keccak import keccak256
from ledger.payment_uri import format_address
from ledger.units import Units

_AUTHORIZED_TYPES = "address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32"


def _call(name: str, types: str, *values: object) -> bytes:
    return keccak256(f"{name}({types})".encode())[:4] + encode(types.split(","), values)


def transfer(recipient: bytes, units: Units) -> bytes:
    """Call data of a plain ERC-20 transfer."""
    return _call("transfer", "address,uint256", recipient, units)


def mint(recipient: bytes, units: Units) -> bytes:
    """Call data that makes new BILL; only a minter may send it."""
    return _call("mint", "address,uint256", recipient, units)


def transfer_with_authorization(
    authorization: Authorization, holder: LocalAccount, *, chain_id: int, token: bytes
) -> bytes:
    """Call data of a transfer that `holder` signs here and anybody may send (ERC-3009)."""
    message = billcoin.transfer_with_authorization_typed_data(
        authorization, chain_id=chain_id, token=token
    )
    signed = holder.sign_message(encode_typed_data(full_message=message))
    return _call(
        "transferWithAuthorization",
        _AUTHORIZED_TYPES,
        authorization.owner,
        authorization.to,
        authorization.units,
        authorization.valid_after_seconds,
        authorization.valid_before_seconds,
        authorization.nonce,
        signed.v,
        signed.r.to_bytes(32),
        signed.s.to_bytes(32),
    )


def approve(spender: bytes, units: int) -> bytes:
    """Call data that lets `spender` take so much from the sender."""
    return _call("approve", "address,uint256", spender, units)


async def allowance(node: Node, token: bytes, owner: bytes, spender: bytes) -> Units:
    """How much `spender` may take from `owner` at the head."""
    data = _call("allowance", "address,address", owner, spender)
    return Units(int.from_bytes(await node.read_contract(token, data)))


async def balance(node: Node, token: bytes, holder: bytes) -> Units:
    """How much BILL `holder` has at the head.

    Raises:
        RejectedError: `token_missing` when there is no such contract on this chain.
    """
    answer = await node.read_contract(token, _call("balanceOf", "address", holder))
    if not answer:
        raise RejectedError("token_missing", f"there is no token at {format_address(token)}")
    return Units(int.from_bytes(answer))
