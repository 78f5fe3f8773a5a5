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
Headers = tuple[Header, ...]

# Every other refusal is 400: the request itself is wrong.
_STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "api_key_invalid": 401,
    "credentials_missing": 401,
    "credentials_wrong": 401,
    "refresh_token_invalid": 401,
    "token_expired": 401,
    "token_invalid": 401,
    "origin_foreign": 403,
    "role_missing": 403,
    "scope_missing": 403,
    "account_not_found": 404,
    "api_key_not_found": 404,
    "attribution_too_large": 404,
    "batch_not_found": 404,
    "coupon_not_found": 404,
    "delivery_not_found": 404,
    "standing_order_not_found": 404,
    "flag_not_found": 404,
    "order_not_found": 404,
    "payment_not_found": 404,
    "proof_not_kept": 404,
    "refund_not_found": 404,
    "route_not_found": 404,
    "submission_not_found": 404,
    "wallet_not_found": 404,
    "webhook_not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "account_name_taken": 409,
    "last_admin": 409,
    "order_not_paid": 409,
    "too_many_standing_orders": 409,
    "authorization_nonce_reused": 409,
    "authorization_used": 409,
    "coupon_used": 409,
    "coupon_voided": 409,
    "flag_not_standing": 409,
    "idempotency_key_in_flight": 409,
    "idempotency_key_reused": 409,
    "order_being_paid": 409,
    "order_not_cancellable": 409,
    "order_not_payable": 409,
    "refund_already_proved": 409,
    "refund_awaits_finality": 409,
    "refund_cancelled": 409,
    "refund_too_large": 409,
    "too_many_api_keys": 409,
    "too_many_wallets": 409,
    "wallet_linked_elsewhere": 409,
    "webhook_disabled": 409,
    "webhook_limit": 409,
    "body_too_large": 413,
    "upgrade_required": 426,
    "host_unknown": 421,
    "head_too_large": 431,
    "payer_budget_exhausted": 429,
    "rate_limited": 429,
    "sign_in_too_often": 429,
}
_OFF: Final = "_off"
"""So ends every code that says that the operator has not set something up: always 501."""

_RETRYABLE_CODES: Final = frozenset({"idempotency_key_in_flight"})
_RETRYABLE_STATUSES: Final = frozenset({408, 429, 500, 503})
_NO_HEADERS: Final[tuple[Header, ...]] = ()


class DeniedError(RejectedError):
    """The caller may not do this; `contact` says who can help, `challenge` what is missing."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        contact: Mapping[str, Any],
        challenge: bytes = b"",
        param: str | None = None,
    ) -> None:
        super().__init__(code, message, param=param)
        self.contact = contact
        self.challenge = challenge


class ThrottledError(DeniedError):
    """Too often; the same will be answered again after `retry_after_seconds`."""

    def __init__(
        self, code: str, message: str, *, contact: Mapping[str, Any], retry_after_seconds: int
    ) -> None:
        super().__init__(code, message, contact=contact)
        self.retry_after_seconds = retry_after_seconds


class OverBudgetError(RejectedError):
    """The caller has used up its share; `headers` say of what, and when there is more."""

    def __init__(self, message: str, *, retry_after_seconds: int, headers: Headers) -> None:
        super().__init__("rate_limited", message)
        self.retry_after_seconds = retry_after_seconds
        self.headers = headers


class CapabilityOffError(RejectedError):
    """The operator has not set this up here: asking again changes nothing (RFC 9110, 15.6.2)."""

    def __init__(self, capability: str, message: str, *, param: str | None = None) -> None:
        told = f"{message}: its operator has not set that up"
        super().__init__(f"{capability}{_OFF}", told, param=param)


class UnavailableError(TransientError):
    """The oracle cannot answer now and says why; `code` is stable and documented."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SignInBusyError(UnavailableError):
    """Too many want to sign in now; `contact` says who can help."""

    def __init__(self, code: str, message: str, *, contact: Mapping[str, Any]) -> None:
        super().__init__(code, message)
        self.contact = contact


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = field(default=((b"content-type", JSON),))


def status_of(code: str) -> int:
    """The HTTP status that goes with a code which is no verdict."""
    return _STATUS_OF_CODE.get(code, 501 if code.endswith(_OFF) else 400)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    request_id: str,
    param: str | None = None,
    more: Mapping[str, Any] | None = None,
    retry_after_seconds: int = RETRY_AFTER_SECONDS,
    headers: tuple[Header, ...] = _NO_HEADERS,
) -> Reply:
    """A problem document; whatever is worth trying again says so and when."""
    is_retryable = status in _RETRYABLE_STATUSES or code in _RETRYABLE_CODES
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
    told: list[Header] = [(b"content-type", PROBLEM_JSON), (b"cache-control", b"no-store")]
    if is_retryable:
        told.append((b"retry-after", b"%d" % retry_after_seconds))
    return Reply(status, orjson.dumps(document), (*told, *headers))


def problem_of(
    error: Exception, *, request_id: str, more: Mapping[str, Any] | None = None
) -> Reply:
    """The problem document of an error of ours; anything else leaks nothing."""
    match error:
        case DeniedError():
            return _denial(error, request_id=request_id, more=more)
        case OverBudgetError():
            return problem(
                _STATUS_OF_CODE[error.code],
                error.code,
                str(error),
                request_id=request_id,
                more=more,
                retry_after_seconds=error.retry_after_seconds,
                headers=error.headers,
            )
        case RejectedError():
            status = status_of(error.code)
            return problem(
                status, error.code, str(error), request_id=request_id, param=error.param, more=more
            )
        case SignInBusyError():
            more = {**(more or {}), "contact": dict(error.contact)}
            return problem(503, error.code, str(error), request_id=request_id, more=more)
        case UnavailableError():
            return problem(503, error.code, str(error), request_id=request_id, more=more)
        case _:
            detail = "something went wrong on our side; quote the requestId when you report it"
            return problem(500, "internal_error", detail, request_id=request_id, more=more)


def _denial(error: DeniedError, *, request_id: str, more: Mapping[str, Any] | None) -> Reply:
    wait = error.retry_after_seconds if isinstance(error, ThrottledError) else RETRY_AFTER_SECONDS
    return problem(
        _STATUS_OF_CODE.get(error.code, 400),
        error.code,
        str(error),
        request_id=request_id,
        param=error.param,
        more={**(more or {}), "contact": dict(error.contact)},
        retry_after_seconds=wait,
        headers=((b"www-authenticate", error.challenge),) if error.challenge else (),
    )
