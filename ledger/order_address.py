"""The order address: where an order is paid, computed here and proved by the chain when swept."""

from typing import Final

from ledger.keccak import keccak256

ADDRESS_BYTES: Final = 20
WORD_BYTES: Final = 32

# The creation code of a vault around the implementation's address: the loader that the factory's
# compiler emits (9 bytes), then the minimal proxy of EIP-1167 (10 + 20 + 15 bytes).
_PROXY_LOADER: Final = bytes.fromhex("602d3d8160093d39f3")
_PROXY_BEFORE: Final = bytes.fromhex("363d3d373d3d3d363d73")
_PROXY_AFTER: Final = bytes.fromhex("5af43d82803e903d91602b57fd5bf3")


def order_key(order_id: str) -> bytes:
    """The 32 bytes that stand for an order on the chain: keccak256 of its id in UTF-8."""
    return keccak256(order_id.encode())


def order_address(
    *, factory: bytes, implementation: bytes, treasury: bytes, order_key: bytes
) -> bytes:
    """The 20-byte address of an order's vault, deployed or not.

    It is the CREATE2 address (EIP-1014) of a minimal proxy (EIP-1167) whose salt commits to the
    treasury and the order, so that whatever arrives there can go to that treasury only. The factory
    answers the same from `vault_address`.

    Args:
        factory: The order vault factory, 20 bytes.
        implementation: What the factory's `implementation()` answers, 20 bytes; see
            `implementation_address`.
        treasury: The merchant's payee, 20 bytes.
        order_key: The order, 32 bytes; see the function of that name.

    Raises:
        ValueError: An argument has another length: money sent to the result would be lost.
    """
    _check_length("factory", factory, ADDRESS_BYTES)
    _check_length("treasury", treasury, ADDRESS_BYTES)
    _check_length("order_key", order_key, WORD_BYTES)
    salt = keccak256(treasury.rjust(WORD_BYTES, b"\0") + order_key)
    return keccak256(b"\xff" + factory + salt + proxy_init_code_hash(implementation))[-20:]


def implementation_address(*, factory: bytes) -> bytes:
    """The 20-byte address of the vault implementation that a genuine factory deployed.

    The factory creates it first of all, so it is the CREATE address of nonce 1 (EIP-161):
    keccak256(rlp([factory, 1])).

    Raises:
        ValueError: `factory` is not 20 bytes.
    """
    _check_length("factory", factory, ADDRESS_BYTES)
    return keccak256(b"\xd6\x94" + factory + b"\x01")[-20:]


def proxy_init_code_hash(implementation: bytes) -> bytes:
    """The hash of a vault's creation code, which EIP-1014 mixes into its address.

    Raises:
        ValueError: `implementation` is not 20 bytes.
    """
    _check_length("implementation", implementation, ADDRESS_BYTES)
    return keccak256(_PROXY_LOADER + _PROXY_BEFORE + implementation + _PROXY_AFTER)


def _check_length(name: str, value: bytes, length: int) -> None:
    if len(value) != length:
        raise ValueError(f"{name} must be {length} bytes, not {len(value)}")
