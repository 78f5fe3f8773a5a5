"""The order vault factory: its artifact, and how to deploy it and to recognise it on a chain."""

from contracts import order_vault
from contracts.artifact import IMMUTABLE_ADDRESS_BYTES, Artifact, load_artifact
from ledger.order_address import WORD_BYTES, proxy_init_code_hash

MAX_ORDERS_PER_SWEEP = 256
"""How many order keys one `sweep` takes."""


def artifact() -> Artifact:
    """The compiled factory.

    Its constructor takes one argument, the creation code of `order_vault` (`bytes`), which it
    deploys itself: see `constructor_arguments`, or send `init_code()` as it is.
    """
    return load_artifact("order_vault_factory")


def constructor_arguments() -> tuple[bytes]:
    """The arguments to deploy with, in order, as web3's `contract.constructor(*...)` takes them."""
    return (order_vault.artifact().bytecode,)


def init_code() -> bytes:
    """The whole data of the transaction that deploys factory and vault implementation."""
    return artifact().bytecode + _encode_bytes(*constructor_arguments())


def runtime_code(*, implementation: bytes) -> bytes:
    """The code that a genuine factory has on the chain, with its two immutables behind it.

    Args:
        implementation: What its `implementation()` answers, 20 bytes.
    """
    return (
        artifact().runtime
        + implementation.rjust(IMMUTABLE_ADDRESS_BYTES, b"\0")
        + proxy_init_code_hash(implementation)
    )


def _encode_bytes(value: bytes) -> bytes:
    """`value` as the only argument of a call: offset, length, content filled up to whole words."""
    padding = bytes(-len(value) % WORD_BYTES)
    return WORD_BYTES.to_bytes(32) + len(value).to_bytes(32) + value + padding
