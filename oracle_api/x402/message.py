"""What a resource server asks a facilitator, in the wire format of x402 version 2."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from contracts import billcoin
from ledger.deployment import Deployment
from ledger.errors import RejectedError
from ledger.payment_uri import parse_address

VERSION: Final = 2
SCHEME: Final = "exact"
TRANSFER_METHOD: Final = "eip3009"

_MATCHING: Final = ("amount", "asset", "payTo")
_AUTHORIZATION: Final = ("from", "to", "value", "validAfter", "validBefore", "nonce")
_MAX_TEXT: Final = 10_000
"""Longer than any signature, also one that is not ours to read (a smart account's)."""

_PAYLOAD: Final = "invalid_payload"
_REQUIREMENTS: Final = "invalid_payment_requirements"


@dataclass(frozen=True, slots=True)
class X402Payment:
    """A signed authorisation and what it is to fulfil; texts are as the client wrote them."""

    pay_to: bytes
    owner: str
    value: str
    valid_after: str
    valid_before: str
    nonce: str
    signature: str


class MalformedError(RejectedError):
    """What came is not even the outline of a message."""


def network_of(chain_id: int) -> str:
    """A chain as CAIP-2 names it."""
    return f"eip155:{chain_id}"


def read_payment(body: bytes, deployment: Deployment) -> X402Payment:
    """Read the body of `verify` or `settle`, which are the same.

    Raises:
        MalformedError: it is no message of x402 at all.
        RejectedError: with the specification's own reason as its code.
    """
    message = _read_message(body)
    payload, wanted = message["paymentPayload"], message["paymentRequirements"]
    for one in (message, payload):
        if one.get("x402Version") != VERSION:
            raise RejectedError("invalid_x402_version", f"x402Version must be {VERSION}")
    accepted = _object(payload.get("accepted"), "accepted", reason=_PAYLOAD)
    for one in (wanted, accepted):
        _require_kind(one, deployment)
    for name in _MATCHING:
        asked = _text(wanted, name, reason=_REQUIREMENTS)
        if asked.lower() != _text(accepted, name).lower():
            raise RejectedError(_REQUIREMENTS, f"the payer accepted another {name}", param=name)
    return _read_exact(wanted, payload, deployment)


def _read_message(body: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedError(_PAYLOAD, "the body is not JSON") from error
    if not isinstance(message, dict):
        raise MalformedError(_PAYLOAD, "the body must be a JSON object")
    version = message.get("x402Version")
    is_whole = isinstance(version, int) or (isinstance(version, float) and version.is_integer())
    if not is_whole or isinstance(version, bool):
        raise MalformedError(_PAYLOAD, "x402Version must be a number", param="x402Version")
    for name in ("paymentPayload", "paymentRequirements"):
        if not isinstance(message.get(name), dict):
            raise MalformedError(_PAYLOAD, f"{name} must be a JSON object", param=name)
    return message


def _read_exact(
    wanted: dict[str, Any], payload: dict[str, Any], deployment: Deployment
) -> X402Payment:
    if _address(wanted, "asset", reason=_REQUIREMENTS) != deployment.token:
        raise RejectedError(_REQUIREMENTS, "asset must be BILL", param="asset")
    signed = _object(payload.get("payload"), "payload", reason=_PAYLOAD)
    fields = _object(signed.get("authorization"), "authorization", reason=_PAYLOAD)
    texts = {name: _text(fields, name) for name in _AUTHORIZATION}
    pay_to = _address(wanted, "payTo", reason=_REQUIREMENTS)
    if pay_to != _address(fields, "to"):
        raise RejectedError(
            "invalid_exact_evm_payload_recipient_mismatch",
            "the authorisation pays another address than payTo",
            param="to",
        )
    if texts["value"] != _text(wanted, "amount"):
        raise RejectedError(
            "invalid_exact_evm_payload_authorization_value_mismatch",
            "the authorisation is for another value than amount",
            param="value",
        )
    return X402Payment(
        pay_to=pay_to,
        owner=texts["from"],
        value=texts["value"],
        valid_after=texts["validAfter"],
        valid_before=texts["validBefore"],
        nonce=texts["nonce"],
        signature=_text(signed, "signature"),
    )


def _require_kind(one: dict[str, Any], deployment: Deployment) -> None:
    """Scheme, network, and the token's domain where it is named."""
    if one.get("scheme") != SCHEME:
        raise RejectedError("unsupported_scheme", f"scheme must be {SCHEME}", param="scheme")
    if one.get("network") != network_of(deployment.chain_id):
        raise RejectedError(
            "invalid_network", f"network must be {network_of(deployment.chain_id)}", param="network"
        )
    extra = one.get("extra")
    extra = {} if extra is None else _object(extra, "extra", reason=_REQUIREMENTS)
    if extra.get("assetTransferMethod", TRANSFER_METHOD) != TRANSFER_METHOD:
        raise RejectedError(
            "unsupported_scheme", f"assetTransferMethod must be {TRANSFER_METHOD}", param="extra"
        )
    domain = {"name": billcoin.DOMAIN_NAME, "version": billcoin.DOMAIN_VERSION}
    for name, value in domain.items():
        if extra.get(name, value) != value:
            raise RejectedError(_REQUIREMENTS, f"extra.{name} must be {value}", param="extra")


def _object(value: Any, name: str, *, reason: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RejectedError(reason, f"{name} must be a JSON object")
    return value


def _text(fields: dict[str, Any], name: str, *, reason: str = _PAYLOAD) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise RejectedError(reason, f"{name} must be a short string", param=name)
    return value


def _address(fields: dict[str, Any], name: str, *, reason: str = _PAYLOAD) -> bytes:
    # Without its checksum: resource servers copy addresses from anywhere.
    text = _text(fields, name, reason=reason).lower()
    try:
        return parse_address(text, param=name)
    except RejectedError as error:
        raise RejectedError(reason, str(error), param=name) from error
