"""The code behind every order address: its artifact, and how to recognise it on a chain."""

from contracts.artifact import IMMUTABLE_ADDRESS_BYTES, Artifact, load_artifact


def artifact() -> Artifact:
    """The compiled vault implementation; the factory deploys it, nobody else needs to."""
    return load_artifact("order_vault")


def runtime_code(*, factory: bytes) -> bytes:
    """The code that `implementation()` of a genuine factory has on the chain.

    The compiler puts immutables behind the code, here the one caller that the vault obeys.

    Args:
        factory: The factory's address, 20 bytes.
    """
    return artifact().runtime + factory.rjust(IMMUTABLE_ADDRESS_BYTES, b"\0")
