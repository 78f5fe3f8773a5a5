"""The Idempotency-Key header, for every route that makes something."""

import hashlib
import re
from typing import Final

from ledger.errors import RejectedError
from ledger.store.idempotency import PARAM, IdempotencyKey
from oracle_api.access.principal import Principal

_PRINTABLE: Final = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)


def read_idempotency_key(value: str | None) -> str:
    """The header's value.

    Raises:
        RejectedError: `idempotency_key_missing` or `idempotency_key_invalid`.
    """
    if value is None:
        raise RejectedError(
            "idempotency_key_missing",
            f"send an {PARAM} header with a value of your own for this request",
            param=PARAM,
        )
    if _PRINTABLE.fullmatch(value) is None:
        raise RejectedError(
            "idempotency_key_invalid",
            f"{PARAM} must be 1 to 255 printable ASCII characters",
            param=PARAM,
        )
    return value


def idempotency_key(
    header: str | None, principal: Principal, *, route: str, request: bytes
) -> IdempotencyKey:
    """The caller's key for this request; `request` is the body in one canonical form.

    Without an account the address counts, so that strangers do not meet each other's keys.

    Raises:
        RejectedError: `idempotency_key_missing` or `idempotency_key_invalid`.
    """
    key = read_idempotency_key(header)
    digest = hashlib.sha256(route.encode() + b"\n" + request).digest()
    return IdempotencyKey(principal.account_id or principal.client_address, key, digest)
