"""The Idempotency-Key header, for every route that makes something."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from pydantic import BaseModel

from ledger.errors import RejectedError
from ledger.store.idempotency import PARAM, IdempotencyKey, claim_key
from ledger.store.pool import Connection
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


def optional_key(
    header: str | None, principal: Principal, *, route: str, request: bytes
) -> IdempotencyKey | None:
    """The same where a request may come without one, since a second thing costs nobody money.

    Raises:
        RejectedError: `idempotency_key_invalid`.
    """
    if header is None:
        return None
    return idempotency_key(header, principal, route=route, request=request)


def canonical(body: BaseModel, *, without: Collection[str] = ()) -> bytes:
    """A body in one form; `without` are secrets, of which not even a quick hash may be kept."""
    document = body.model_dump(mode="json", exclude=set(without))
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Claim:
    """The id of what a request makes; when replayed, of what the same one made before."""

    id: str
    is_replayed: bool


async def claim(
    connection: Connection, key: IdempotencyKey | None, *, new_id: str, now: datetime
) -> Claim:
    """Claim a key, if there is one, in the transaction that is about to make `new_id`.

    Raises:
        RejectedError: `idempotency_key_in_flight` or `idempotency_key_reused`.
    """
    earlier = None
    if key is not None:
        earlier = await claim_key(connection, key, resource_id=new_id, now=now)
    return Claim(earlier or new_id, is_replayed=earlier is not None)


def replay_headers(*, is_replayed: bool) -> dict[str, str]:
    """What tells a repeated answer from the first."""
    return {"idempotent-replayed": "true"} if is_replayed else {}
