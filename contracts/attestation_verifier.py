"""The attestation verifier: its artifact, and the oracle's signed word as contracts take it."""

from collections.abc import Sequence
from typing import Any

from contracts import abi
from contracts.artifact import Artifact, load_artifact
from contracts.typed_data import TypedData, hex_of, typed_data
from ledger.attestation import (
    DOMAIN_NAME,
    DOMAIN_VERSION,
    FIELDS,
    PRIMARY_TYPE,
    Attestation,
)

EVENTS = ("SignerAdded", "SignerRevoked", "AttestationConsumed")
"""What an indexer follows; `contracts.abi.event_topic(artifact(), name)` is each one's topic."""

REFUSALS = (
    *("not signed by a signer", "signer is revoked", "attestation has expired"),
    *("block is not in the past", "block has left the chain"),
)
"""Why an attestation cannot be relied on, word for word."""


def artifact() -> Artifact:
    """The compiled contract; its deployer becomes owner."""
    return load_artifact("attestation_verifier")


def init_code(*, delay_seconds: int, signers: Sequence[bytes]) -> bytes:
    """The data of the transaction that deploys the contract.

    Args:
        delay_seconds: How long a new signer is announced before it can be added.
        signers: The first signers, 20 bytes each, at most eight.
    """
    return abi.init_code(artifact(), delay_seconds, list(signers))


def domain(*, chain_id: int, verifier: bytes) -> dict[str, Any]:
    """The EIP-712 domain that every attestation is bound to.

    Args:
        chain_id: The chain's EIP-155 id.
        verifier: The contract's address, 20 bytes.
    """
    return {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": chain_id,
        "verifyingContract": hex_of(verifier),
    }


def attestation_typed_data(
    attestation: Attestation, *, chain_id: int, verifier: bytes
) -> TypedData:
    """What is signed, as a whole EIP-712 message that any wallet library verifies."""
    return typed_data(
        domain=domain(chain_id=chain_id, verifier=verifier),
        primary_type=PRIMARY_TYPE,
        fields=FIELDS,
        message=attestation_message(attestation),
    )


def attestation_message(attestation: Attestation) -> dict[str, str]:
    """The attestation's fields as JSON: hex for bytes, decimal strings for numbers."""
    values = attestation.values()
    return {
        name: hex_of(value) if isinstance(value, bytes) else str(value)
        for (name, _), value in zip(FIELDS, values, strict=True)
    }


def attestation_argument(attestation: Attestation) -> tuple[str | bytes | int, ...]:
    """The attestation as `verify` and `consume` take it; the 65 bytes of a signature follow."""
    values = zip(FIELDS, attestation.values(), strict=True)
    return tuple(
        hex_of(value) if type_ == "address" and isinstance(value, bytes) else value
        for (_, type_), value in values
    )
