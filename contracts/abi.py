"""What the ABI's JSON leaves to its reader: canonical types, constructor data, event topics."""

from collections.abc import Mapping
from typing import Any

from eth_abi.abi import encode

from contracts.artifact import AbiEntry, Artifact
from ledger.keccak import keccak256


def canonical_type(field: Mapping[str, Any]) -> str:
    """The type of a field as selectors and topics are made from it: structs become tuples."""
    kind: str = field["type"]
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(canonical_type(component) for component in field["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def signature(entry: AbiEntry) -> str:
    """A function's or event's name with its canonical types: `transfer(address,uint256)`."""
    return f"{entry['name']}({','.join(canonical_type(field) for field in entry['inputs'])})"


def topic(entry: AbiEntry) -> bytes:
    """The first topic of an event's logs, 32 bytes."""
    return keccak256(signature(entry).encode())


def events_by_topic(artifact: Artifact) -> dict[bytes, AbiEntry]:
    """Every event that the contract can emit, by its first topic: what an indexer decodes with."""
    return {topic(entry): entry for entry in artifact.abi if entry["type"] == "event"}


def event_topic(artifact: Artifact, name: str) -> bytes:
    """The first topic of the contract's event called `name`.

    Raises:
        KeyError: The contract has no such event.
    """
    for first_topic, entry in events_by_topic(artifact).items():
        if entry["name"] == name:
            return first_topic
    raise KeyError(name)


def call_data(artifact: Artifact, function: str, *arguments: Any) -> bytes:
    """The data of a transaction that calls the contract's function of that name.

    Args:
        artifact: The contract.
        function: The function's name.
        arguments: In order; addresses as 20 bytes, structs as tuples.

    Raises:
        KeyError: The contract has no such function.
    """
    for entry in artifact.abi:
        if entry["type"] == "function" and entry["name"] == function:
            types = [canonical_type(field) for field in entry["inputs"]]
            return keccak256(signature(entry).encode())[:4] + encode(types, arguments)
    raise KeyError(function)


def init_code(artifact: Artifact, *arguments: Any) -> bytes:
    """The data of the transaction that deploys the contract with these constructor arguments.

    Args:
        artifact: The contract.
        arguments: In order; addresses as 20 bytes, structs as tuples.
    """
    constructors = [entry for entry in artifact.abi if entry["type"] == "constructor"]
    types = [canonical_type(field) for entry in constructors for field in entry["inputs"]]
    return artifact.bytecode + encode(types, arguments)
