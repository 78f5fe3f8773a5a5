"""BillCoin, the token: its artifact and the messages that its holders sign instead of sending."""

from dataclasses import dataclass
from typing import Any

from contracts.artifact import Artifact, load_artifact
from contracts.typed_data import Fields, TypedData, hex_of, typed_data
from ledger.units import Units

NAME = "BillCoin"
SYMBOL = "BILL"
DOMAIN_NAME = "BillCoin"
DOMAIN_VERSION = "1"

_AUTHORIZATION_FIELDS: Fields = (
    ("from", "address"),
    ("to", "address"),
    ("value", "uint256"),
    ("validAfter", "uint256"),
    ("validBefore", "uint256"),
    ("nonce", "bytes32"),
)
_CANCEL_FIELDS: Fields = (("authorizer", "address"), ("nonce", "bytes32"))
_PERMIT_FIELDS: Fields = (
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)


def artifact() -> Artifact:
    """The compiled token; its constructor takes no arguments, its deployer is owner and minter."""
    return load_artifact("billcoin")


def init_code() -> bytes:
    """The data of the transaction that deploys the token."""
    return artifact().bytecode


@dataclass(frozen=True)
class Authorization:
    """A transfer that its holder signs and somebody else broadcasts (ERC-3009).

    Attributes:
        owner: The holder, 20 bytes; `from` in the standard.
        to: The payee, 20 bytes; an order address when an order is paid.
        units: BILL in base units; `value` in the standard.
        valid_after_seconds: Unix time; usable in blocks strictly later.
        valid_before_seconds: Unix time; usable in blocks strictly earlier.
        nonce: 32 random bytes, unique per holder.
    """

    owner: bytes
    to: bytes
    units: Units
    valid_after_seconds: int
    valid_before_seconds: int
    nonce: bytes


def authorization_arguments(
    authorization: Authorization, *, v: int, r: bytes, s: bytes
) -> tuple[bytes, bytes, int, int, int, bytes, int, bytes, bytes]:
    """What a relayer passes to `transferWithAuthorization` or `receiveWithAuthorization`, in order.

    Args:
        authorization: What was signed.
        v: The signature's recovery id, 27 or 28.
        r: The signature's r, 32 bytes.
        s: The signature's s, 32 bytes, in the lower half of the curve's order (EIP-2).
    """
    return (
        authorization.owner,
        authorization.to,
        authorization.units,
        authorization.valid_after_seconds,
        authorization.valid_before_seconds,
        authorization.nonce,
        v,
        r,
        s,
    )


def domain(*, chain_id: int, token: bytes) -> dict[str, Any]:
    """The EIP-712 domain that every BillCoin signature is bound to.

    Args:
        chain_id: The chain's EIP-155 id; a signature is worthless on any other chain.
        token: The token's address, 20 bytes.
    """
    return {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": chain_id,
        "verifyingContract": hex_of(token),
    }


def transfer_with_authorization_typed_data(
    authorization: Authorization, *, chain_id: int, token: bytes
) -> TypedData:
    """What a holder signs so that anyone may broadcast the transfer (ERC-3009)."""
    return _authorization_typed_data(
        "TransferWithAuthorization", authorization, domain(chain_id=chain_id, token=token)
    )


def receive_with_authorization_typed_data(
    authorization: Authorization, *, chain_id: int, token: bytes
) -> TypedData:
    """What a holder signs so that only the payee may broadcast the transfer (ERC-3009)."""
    return _authorization_typed_data(
        "ReceiveWithAuthorization", authorization, domain(chain_id=chain_id, token=token)
    )


def cancel_authorization_typed_data(
    *, authorizer: bytes, nonce: bytes, chain_id: int, token: bytes
) -> TypedData:
    """What a holder signs to make an unused authorisation worthless (ERC-3009)."""
    return typed_data(
        domain=domain(chain_id=chain_id, token=token),
        primary_type="CancelAuthorization",
        fields=_CANCEL_FIELDS,
        message={"authorizer": hex_of(authorizer), "nonce": hex_of(nonce)},
    )


def permit_typed_data(
    *,
    owner: bytes,
    spender: bytes,
    units: Units,
    nonce: int,
    deadline_seconds: int,
    chain_id: int,
    token: bytes,
) -> TypedData:
    """What a holder signs to set an allowance without sending a transaction (EIP-2612).

    Args:
        owner: The holder, 20 bytes.
        spender: Who may spend, 20 bytes.
        units: The allowance in base units.
        nonce: The holder's current `nonces(owner)`; it counts up, unlike an authorisation's.
        deadline_seconds: Unix time of the last block that accepts the permit.
        chain_id: The chain's EIP-155 id.
        token: The token's address, 20 bytes.
    """
    return typed_data(
        domain=domain(chain_id=chain_id, token=token),
        primary_type="Permit",
        fields=_PERMIT_FIELDS,
        message={
            "owner": hex_of(owner),
            "spender": hex_of(spender),
            "value": str(units),
            "nonce": str(nonce),
            "deadline": str(deadline_seconds),
        },
    )


def _authorization_typed_data(
    primary_type: str, authorization: Authorization, domain_fields: dict[str, Any]
) -> TypedData:
    return typed_data(
        domain=domain_fields,
        primary_type=primary_type,
        fields=_AUTHORIZATION_FIELDS,
        message={
            "from": hex_of(authorization.owner),
            "to": hex_of(authorization.to),
            "value": str(authorization.units),
            "validAfter": str(authorization.valid_after_seconds),
            "validBefore": str(authorization.valid_before_seconds),
            "nonce": hex_of(authorization.nonce),
        },
    )
