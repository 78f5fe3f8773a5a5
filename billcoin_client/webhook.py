"""Verifies what the oracle posts to a partner, by the Standard Webhooks specification."""

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from billcoin_client.decoding import decode
from billcoin_client.errors import AnswerMalformedError, WebhookInvalidError

TOLERANCE_SECONDS: Final = 300
"""How old a delivery may be, or from how far in the future: the specification's value."""

_PUBLIC_PREFIX: Final = "whpk_"
_MAX_SIGNATURES: Final = 20
# No longer than int() reads: what is sent here is anybody's.
_TIMESTAMP: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A delivery that is genuine.

    `id` is the same each time it is delivered, so act on it once; `timestamp` is when it happened.
    """

    id: str
    type: str
    timestamp: datetime
    data: Mapping[str, Any]


def verify_webhook(
    headers: Mapping[str, str], body: bytes, secret: str | Sequence[str]
) -> WebhookEvent:
    """The event of a delivery, if the oracle sent it.

    Args:
        headers: The request's; names in any case.
        body: The request's bytes as they came: JSON that was read and written again differs.
        secret: The endpoint's `whsec_...`, or its public key `whpk_...`; several while it rotates.

    Raises:
        WebhookInvalidError: nobody with one of these secrets signed this, or it is too old.
    """
    found = {name.lower(): value for name, value in headers.items()}
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not any(_is_signed(found, body, one) for one in secrets):
        raise WebhookInvalidError("no signature of the oracle's, or too old")
    try:
        event = decode(WebhookEvent, json.loads(body))
    except (ValueError, AnswerMalformedError) as error:
        raise WebhookInvalidError("the body is no event") from error
    if event.id != found["webhook-id"]:
        raise WebhookInvalidError("the body is of another event than its header")
    return event


def _is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    if secret.startswith(_PUBLIC_PREFIX):
        return _is_signed_by_key(headers, body, secret.removeprefix(_PUBLIC_PREFIX))
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        # ValueError is what the library makes of base64 and numbers that are none.
        return False
    return True


def _is_signed_by_key(headers: Mapping[str, str], body: bytes, public_key: str) -> bool:
    message_id, timestamp = headers.get("webhook-id"), headers.get("webhook-timestamp", "")
    if not message_id or _TIMESTAMP.fullmatch(timestamp) is None:
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = headers.get("webhook-signature", "").split(" ")[:_MAX_SIGNATURES]
    return any(
        _is_signature(key, content, text.removeprefix("v1a,"))
        for text in signatures
        if text.startswith("v1a,")
    )


def _is_signature(key: Ed25519PublicKey, content: bytes, text: str) -> bool:
    try:
        key.verify(base64.b64decode(text, validate=True), content)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
