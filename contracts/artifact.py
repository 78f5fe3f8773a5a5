"""What the compiler made of one contract, read from the files committed beside the sources."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

AbiEntry = dict[str, Any]
"""One function, event or constructor of a contract's ABI, as JSON."""

IMMUTABLE_ADDRESS_BYTES = 32


@dataclass(frozen=True)
class Artifact:
    """One compiled contract.

    Attributes:
        name: The contract's name, which is also its source's file name without suffix.
        abi: The ABI, as web3 takes it.
        bytecode: The creation code, without constructor arguments.
        runtime: The code that ends up on the chain, without the immutables that follow it there.
    """

    name: str
    abi: tuple[AbiEntry, ...]
    bytecode: bytes
    runtime: bytes


@cache
def load_artifact(name: str) -> Artifact:
    """Read the artifact of the contract called `name`, once per process.

    Raises:
        FileNotFoundError: There is no such contract in this installation.
    """
    text = files("contracts").joinpath("artifacts", f"{name}.json").read_text(encoding="utf-8")
    fields = json.loads(text)
    return Artifact(
        name=name,
        abi=tuple(fields["abi"]),
        bytecode=bytes.fromhex(fields["bytecode"].removeprefix("0x")),
        runtime=bytes.fromhex(fields["deployedBytecode"].removeprefix("0x")),
    )
