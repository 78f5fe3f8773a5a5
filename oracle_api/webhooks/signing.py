"""Signatures of the Standard Webhooks specification: HMAC (v1) and ed25519 (v1a)."""

import base64
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

SECRET_BYTES: Final = 32
"""The specification asks for 24 to 64."""


class SecretKind(StrEnum):
    """How deliveries are signed: with a shared secret, or with a key that only we have."""

    HMAC = "hmac"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class Secret:
    """The key behind signatures: 32 bytes, for ed25519 the private seed (RFC 8032)."""

    kind: SecretKind
    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) != SECRET_BYTES:
            raise ValueError(f"a secret has {SECRET_BYTES} bytes")

    def __repr__(self) -> str:
        return f"Secret({self.kind})"

    @property
    def shared(self) -> str | None:
        """`whsec_...`, which the partner must keep; None for ed25519, whose key stays ours."""
        return f"whsec_{_base64(self.key)}" if self.kind is SecretKind.HMAC else None

    @property
    def public_key(self) -> str | None:
        """`whpk_...`, which everybody may know; None for HMAC."""
        if self.kind is SecretKind.HMAC:
            return None
        public = Ed25519PrivateKey.from_private_bytes(self.key).public_key()
        return f"whpk_{_base64(public.public_bytes_raw())}"

    def sign(self, message_id: str, at: datetime, body: bytes) -> str:
        """The signature over id, time and body, with its version before it."""
        if self.kind is SecretKind.HMAC:
            return Webhook(self.key).sign(message_id, at, body.decode())
        content = b"%b.%d.%b" % (message_id.encode(), math.floor(at.timestamp()), body)
        return f"v1a,{_base64(Ed25519PrivateKey.from_private_bytes(self.key).sign(content))}"


def signed_headers(
    message_id: str, at: datetime, body: bytes, secrets: Iterable[Secret]
) -> dict[str, str]:
    """The three headers of a delivery; one signature for each secret that is valid."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(math.floor(at.timestamp())),
        "webhook-signature": " ".join(one.sign(message_id, at, body) for one in secrets),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
