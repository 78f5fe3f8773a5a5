"""Devnet ringgit: what subsidies and settlements are paid in where no money is real."""

from contracts.artifact import Artifact, load_artifact

SYMBOL = "dMYR"
DECIMALS = 18


def artifact() -> Artifact:
    """The compiled token; its constructor takes no arguments, its deployer mints."""
    return load_artifact("devnet_ringgit")


def init_code() -> bytes:
    """The data of the transaction that deploys the token."""
    return artifact().bytecode
