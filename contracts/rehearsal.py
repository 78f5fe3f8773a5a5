"""Run the committed bytecode on an in-process EVM: for tests, where no node is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import boa
from boa.contracts.abi.abi_contract import ABIContractFactory

from contracts import billcoin, order_vault_factory
from contracts.artifact import Artifact
from contracts.signing import LocalAccount, encode_typed_data
from contracts.typed_data import TypedData

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""The order of secp256k1's group; a signature's s has a twin at `CURVE_ORDER - s` (EIP-2)."""


class Signature(NamedTuple):
    """A secp256k1 signature in the three parts that the token takes."""

    v: int
    r: bytes
    s: bytes


def deploy(artifact: Artifact, init_code: bytes) -> Any:
    """Deploy `init_code` from the current sender and bind it to the artifact's ABI."""
    address, _ = boa.env.deploy_code(bytecode=init_code)
    return bind(artifact, bytes.fromhex(address[2:]))


def bind(artifact: Artifact, address: bytes) -> Any:
    """The contract at `address`, callable through the artifact's ABI."""
    factory = ABIContractFactory(artifact.name, list(artifact.abi))
    return factory.at(f"0x{address.hex()}")


def deploy_billcoin() -> Any:
    """A token whose owner and minter is the current sender."""
    return deploy(billcoin.artifact(), billcoin.init_code())


def deploy_order_vault_factory() -> Any:
    """A factory with its vault implementation."""
    return deploy(order_vault_factory.artifact(), order_vault_factory.init_code())


def account_address(account: LocalAccount) -> bytes:
    """The 20 bytes of a wallet's address."""
    return bytes.fromhex(account.address[2:])


def contract_address(contract: Any) -> bytes:
    """The 20 bytes of a deployed contract's address."""
    return bytes.fromhex(contract.address[2:])


def sign(account: LocalAccount, message: TypedData) -> Signature:
    """Sign an EIP-712 message as a wallet does."""
    signed = account.sign_message(encode_typed_data(full_message=message))
    return Signature(signed.v, signed.r.to_bytes(32), signed.s.to_bytes(32))


def authorization_arguments(
    authorization: billcoin.Authorization, signature: Signature
) -> tuple[str | bytes | int, ...]:
    """The token's arguments for this authorisation; this EVM takes addresses as text only."""
    values = billcoin.authorization_arguments(authorization, **signature._asdict())
    return (f"0x{authorization.owner.hex()}", f"0x{authorization.to.hex()}", *values[2:])


def malleated(signature: Signature) -> Signature:
    """The twin that plain `ecrecover` accepts for the same message and signer (EIP-2)."""
    s = CURVE_ORDER - int.from_bytes(signature.s)
    return Signature(55 - signature.v, signature.r, s.to_bytes(32))


@contextmanager
def fresh_state() -> Iterator[None]:
    """Undo everything that happens inside: state, time and chain id."""
    with boa.env.anchor():
        yield


def set_chain_id(chain_id: int) -> None:
    """Make the EVM that of another chain, as after a fork."""
    boa.env.evm.patch.chain_id = chain_id


def now_seconds() -> int:
    """The time of the block that the next call runs in, Unix time."""
    timestamp: int = boa.env.evm.patch.timestamp
    return timestamp


def code_at(address: bytes) -> bytes:
    """The code deployed at `address`, empty where there is none."""
    code: bytes = boa.env.get_code(f"0x{address.hex()}")
    return code
