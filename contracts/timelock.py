"""The timelock inside each governed contract: the payloads that its owner queues and executes."""

from typing import Any

from contracts.abi import call_data
from contracts.artifact import Artifact
from ledger.keccak import keccak256

GRACE_SECONDS = 14 * 86_400
"""How long a change stays executable once its delay has passed."""

EVENTS = ("ChangeQueued", "ChangeExecuted", "ChangeCancelled")
"""What every contract with a timelock emits about its changes."""


def change_payload(artifact: Artifact, function: str, *arguments: Any) -> bytes:
    """The call data of a setter, as `queue_change` and `execute_change` take it.

    Args:
        artifact: The contract whose setter is to be called.
        function: The setter's name.
        arguments: In order; addresses as 20 bytes, structs as tuples.

    Raises:
        KeyError: The contract has no such function.
    """
    return call_data(artifact, function, *arguments)


def change_id(payload: bytes) -> bytes:
    """What a queued change is called on the chain and in its events."""
    return keccak256(payload)
