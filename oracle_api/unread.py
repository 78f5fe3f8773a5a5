"""What the server answers by itself to what it could not read as a request, and no route sees."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

import structlog

from ledger.errors import RejectedError
from oracle_api.access.gate import MethodNotAllowedError
from oracle_api.problems import Header
from oracle_api.refusals import all_headers, refused, request_id_in

log = structlog.get_logger()

MAX_HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together; a browser sends about one."""


def head_too_large() -> RejectedError:
    """Of a request whose head is larger than we take."""
    return RejectedError(
        "head_too_large", f"request line and headers together have more than {MAX_HEAD_BYTES} bytes"
    )


def handshake_too_large() -> RejectedError:
    """Of a WebSocket handshake that the library does not take, which takes less than we do."""
    return RejectedError(
        "head_too_large", "a WebSocket handshake has at most 128 headers, and 8 KiB in each line"
    )


def request_malformed() -> RejectedError:
    """Of what two readers could understand differently, or nobody."""
    return RejectedError("request_malformed", "this is no HTTP request, or not in its body's form")


def handshake_malformed(status: int) -> RejectedError:
    """Of a WebSocket handshake that the library would refuse with `status`."""
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowedError(["GET"])
    message = "the WebSocket handshake lacks a header, or has a wrong one (RFC 6455, 4.1)"
    return RejectedError("request_malformed", message)


def written(
    error: RejectedError,
    *,
    method: bytes,
    target: bytes,
    headers: Iterable[Header],
    more: Sequence[Header],
) -> bytes:
    """The problem document of an error as a whole answer, the last of its connection.

    `method`, `target` and `headers` are what could be read of the request; `more` are the headers
    that the server gives every answer.
    """
    path = target.partition(b"?")[0].decode("latin-1")
    request_id = request_id_in(headers)
    reply = refused(error, path, request_id)
    log.info("not_read", code=error.code, requestId=request_id)
    head = b"HTTP/1.1 %d %b\r\n" % (reply.status, HTTPStatus(reply.status).phrase.encode())
    for name, value in (*more, *all_headers(reply, request_id, last=True)):
        head += b"%b: %b\r\n" % (name, value)
    return head + b"\r\n" + (b"" if method == b"HEAD" else reply.body)
