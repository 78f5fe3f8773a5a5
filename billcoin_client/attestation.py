"""Verifies attestations offline: who signed, what, for which order, and until when."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak

from billcoin_client.errors import AttestationInvalidError
from billcoin_client.models import (
    Attestation,
    AttestationSigners,
    Domain,
    Finality,
    SignedAttestation,
)

PRIMARY_TYPE: Final = "PaymentAttestation"
FIELDS: Final[Mapping[str, str]] = {
    "orderKey": "bytes32",
    "txHash": "bytes32",
    "blockNumber": "uint256",
    "blockHash": "bytes32",
    "token": "address",
    "treasury": "address",
    "amountDue": "uint256",
    "amountReceived": "uint256",
    "finality": "uint8",
    "consumer": "address",
    "issuedAt": "uint256",
    "expiresAt": "uint256",
}
"""What is signed. Written here and not read from an answer, which could leave something out."""

_FINALITIES: Final = (Finality.INCLUDED, Finality.SAFE, Finality.FINALIZED)
_PATTERNS: Final = {
    "bytes32": re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII),
    "address": re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII),
    "uint256": re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII),
    "uint8": re.compile(r"[0-2]", re.ASCII),
}
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{128}1[bcBC]", re.ASCII)
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def verify_attestation(
    attestation: SignedAttestation,
    signers: AttestationSigners,
    *,
    order_id: str,
    now: float | None = None,
) -> Attestation:
    """What an attestation proves; compare `amount_due`, `token`, `treasury` and `finality` then.

    Args:
        attestation: As it came, from whomever.
        signers: Whom you trust: `attestation_signers()` of your oracle, read over TLS.
        order_id: The order that it has to be about.
        now: Unix seconds; this machine's clock by default.

    Raises:
        AttestationInvalidError: `attestation_malformed`, `signers_missing`, `signer_unknown`,
            `signer_revoked`, `attestation_expired` or `order_mismatch`.
    """
    if signers.domain is None:
        raise AttestationInvalidError("signers_missing", "the oracle signs nothing")
    message = _message(attestation.message)
    signer = _recovered(_signable(signers.domain, message), attestation.signature)
    status = {one.address.lower(): one.status for one in signers.signers}.get(signer.lower())
    if status is None:
        raise AttestationInvalidError(
            "signer_unknown", "no signer that you trust signed this, in this form, for this domain"
        )
    if status not in {"signing", "accepted"}:
        raise AttestationInvalidError("signer_revoked", f"{signer} is trusted no more")
    if (time.time() if now is None else now) >= message["expiresAt"]:
        raise AttestationInvalidError("attestation_expired", "it is too old; ask for another")
    if message["orderKey"] != keccak(order_id.encode()):
        raise AttestationInvalidError("order_mismatch", f"it is not about {order_id}")
    return _attestation(message, signer)


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    if set(message) != set(FIELDS):
        raise _malformed("it has other fields")
    values: dict[str, Any] = {}
    for name, kind in FIELDS.items():
        text = message[name]
        if not isinstance(text, str) or _PATTERNS[kind].fullmatch(text) is None:
            raise _malformed(f"{name} is no {kind}")
        if kind == "bytes32":
            values[name] = bytes.fromhex(text[2:])
        else:
            values[name] = text.lower() if kind == "address" else int(text)
        if kind == "uint256" and values[name] >= 1 << 256:
            raise _malformed(f"{name} is no {kind}")
    return values


def _signable(domain: Domain, message: Mapping[str, Any]) -> SignableMessage:
    return encode_typed_data(
        domain_data={
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.verifying_contract,
        },
        message_types={
            PRIMARY_TYPE: [{"name": name, "type": kind} for name, kind in FIELDS.items()]
        },
        message_data=dict(message),
    )


def _recovered(signable: SignableMessage, signature: str) -> str:
    if not isinstance(signature, str) or _SIGNATURE.fullmatch(signature) is None:
        raise _malformed("the signature is not 65 bytes of r, s and v")
    if int(signature[66:130], 16) > _HALF_ORDER:
        # Each signature has a twin; the chain accepts one of the two (EIP-2).
        raise _malformed("the signature has a high s")
    try:
        return str(Account.recover_message(signable, signature=signature))
    except Exception as error:  # eth-account raises what its backends do
        raise _malformed("the signature is none") from error


def _attestation(message: Mapping[str, Any], signer: str) -> Attestation:
    return Attestation(
        order_key=message["orderKey"],
        tx_hash=message["txHash"],
        block_number=message["blockNumber"],
        block_hash=message["blockHash"],
        token=message["token"],
        treasury=message["treasury"],
        amount_due=message["amountDue"],
        amount_received=message["amountReceived"],
        finality=_FINALITIES[message["finality"]],
        consumer=message["consumer"],
        issued_at=message["issuedAt"],
        expires_at=message["expiresAt"],
        signer=signer,
    )


def _malformed(message: str) -> AttestationInvalidError:
    return AttestationInvalidError("attestation_malformed", message)
