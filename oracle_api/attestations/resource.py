"""An attestation as a partner gets it, and the document that says whose word it is."""

from collections.abc import Sequence
from typing import Any, Final

from contracts.attestation_verifier import attestation_message, domain
from ledger.attestation import FIELDS, PRIMARY_TYPE, Attestation
from ledger.json_hex import to_hex
from ledger.payment_uri import format_address
from oracle_api.attestations.keys import KnownSigner
from oracle_api.times import rfc3339_seconds


def write_attestation(
    attestation: Attestation,
    *,
    chain_id: int,
    verifier: bytes,
    digest: bytes,
    signature: bytes,
    signer: bytes,
) -> dict[str, Any]:
    """What `validate` adds: numbers as decimal strings, since JavaScript would round them."""
    return {
        "domain": domain(chain_id=chain_id, verifier=verifier),
        "primaryType": PRIMARY_TYPE,
        "message": attestation_message(attestation),
        "digest": to_hex(digest),
        "signature": to_hex(signature),
        "signer": format_address(signer),
        "expiresAt": rfc3339_seconds(attestation.expires_at_seconds),
    }


def write_signers(
    known: Sequence[KnownSigner],
    *,
    signing: bytes,
    chain_id: int,
    verifier: bytes,
    lifetime_seconds: int,
) -> dict[str, Any]:
    """Everything that a partner needs to verify attestations without us."""
    return NOT_OFFERED | {
        "domain": domain(chain_id=chain_id, verifier=verifier),
        "signers": [_signer(one, signing) for one in known],
        "lifetimeSeconds": lifetime_seconds,
    }


NOT_OFFERED: Final[dict[str, Any]] = {
    "domain": None,
    "primaryType": PRIMARY_TYPE,
    "types": {PRIMARY_TYPE: [{"name": name, "type": type_} for name, type_ in FIELDS]},
    "signers": [],
    "lifetimeSeconds": 0,
}
"""What is told where no attestations are signed."""


def _signer(one: KnownSigner, signing: bytes) -> dict[str, Any]:
    status = "signing" if one.address == signing else "accepted"
    return {
        "address": format_address(one.address),
        "status": "revoked" if one.revoked_at else status,
        "createdAt": one.created_at,
        "revokedAt": one.revoked_at,
    }
