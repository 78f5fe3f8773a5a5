"""Refusals and failures as they go over the wire: RFC 9457 problem documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson

from ledger.errors import RejectedError, TransientError

PROBLEM_JSON: Final = b"application/problem+json"
JSON: Final = b"application/json"
RETRY_AFTER_SECONDS: Final = 1
"""About one block of the fastest chain we follow: sooner nothing can have changed."""

Header = tuple[bytes, bytes]

# Every other refusal is 400: the request itself is wrong.
_STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "origin_foreign": 403,
    "order_not_found": 404,
    "payment_not_found": 404,
    "proof_not_kept": 404,
    "route_not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "idempotency_key_reused": 409,
    "order_not_cancellable": 409,
    "body_too_large": 413,
    "host_unknown": 421,
}


class UnavailableError(TransientError):
    """The oracle cannot answer now and says why; `code` is stable and documented."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = field(default=((b"content-type", JSON),))


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    request_id: str,
    param: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> Reply:
    """A problem document; whatever is worth trying again says so and when."""
    is_retryable = status in {408, 429, 500, 503}
    document = {
        "type": f"urn:billcoin:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "param": param,
        "retryable": is_retryable,
        "requestId": request_id,
    } | dict(more or {})
    headers: list[Header] = [(b"content-type", PROBLEM_JSON), (b"cache-control", b"no-store")]
    if is_retryable:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    return Reply(status, orjson.dumps(document), tuple(headers))


def problem_of(
    error: Exception, *, request_id: str, more: Mapping[str, Any] | None = None
) -> Reply:
    """The problem document of an error of ours; anything else leaks nothing."""
    match error:
        case RejectedError():
            status = _STATUS_OF_CODE.get(error.code, 400)
            return problem(
                status, error.code, str(error), request_id=request_id, param=error.param, more=more
            )
        case UnavailableError():
            return problem(503, error.code, str(error), request_id=request_id, more=more)
        case _:
            detail = "something went wrong on our side; quote the requestId when you report it"
            return problem(500, "internal_error", detail, request_id=request_id, more=more)
