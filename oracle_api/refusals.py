"""Refusals in their shape, and the headers that every answer has, wherever it is made."""

import re
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from oracle_api import versions
from oracle_api.access.gate import MethodNotAllowedError
from oracle_api.payments.endpoints import PATH as VALIDATE_PATH
from oracle_api.payments.endpoints import refusal
from oracle_api.problems import Header, Reply, problem_of
from oracle_api.versions import UnknownVersionError

REQUEST_ID_HEADER: Final = b"x-request-id"

# A page of ours loads nothing from elsewhere and runs no script but its own files.
_PAGE_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-security-policy", _PAGE_POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")


def refused(error: Exception, path: str, request_id: str) -> Reply:
    """The problem document of a request that got no further, in the hot route's own shape there."""
    code = getattr(error, "code", "internal_error")
    more = dict(refusal(code)) if path == VALIDATE_PATH else {}
    if isinstance(error, UnknownVersionError):
        more |= error.more
    reply = problem_of(error, request_id=request_id, more=more)
    if isinstance(error, MethodNotAllowedError):
        allow = (b"allow", ", ".join(error.allowed).encode())
        return Reply(reply.status, reply.body, (*reply.headers, allow))
    return reply


def all_headers(reply: Reply, request_id: str, *, last: bool = False) -> list[Header]:
    """A whole answer's headers; after the `last` one the connection is closed."""
    headers = [
        *reply.headers,
        (b"content-length", b"%d" % len(reply.body)),
        (REQUEST_ID_HEADER, request_id.encode()),
        versions.HEADER,
        *(SECURITY_HEADERS if reply.status >= HTTPStatus.BAD_REQUEST else (_NOSNIFF,)),
    ]
    if last:
        headers.append((b"connection", b"close"))
    return headers


def is_request_id(value: bytes) -> bool:
    """Whether a client's own id does no harm in logs and headers."""
    return _REQUEST_ID.fullmatch(value) is not None


def new_request_id() -> str:
    """For a request whose client has given it none."""
    return f"req_{secrets.token_hex(10)}"


def request_id_in(headers: Iterable[Header]) -> str:
    """The client's own id if it is harmless, else a new one."""
    given = [value for name, value in headers if name == REQUEST_ID_HEADER and is_request_id(value)]
    return given[-1].decode() if given else new_request_id()
