"""A request to a direct route, read whole and within limits."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive

from ledger.errors import RejectedError
from oracle_api.access.principal import ANONYMOUS, Principal

MAX_BODY_BYTES = 64 * 1024
MAX_BODY_PARTS = 1_000
"""Objects and lists, and so how deep they lie in each other. Python's JSON reader goes one deeper
in C for each, and a library of ours lets it go so deep that the stack ends and the process with
it (py_ecc sets the recursion limit to 100,000)."""

BODY_TIMEOUT_SECONDS = 10.0

ABORT: Final = "billcoin.abort"
"""In a scope of our server: ends the connection without sending what is still to be sent."""


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """What a direct route gets; header names are lower case.

    `abort` ends the connection at once, for a client that does not read.
    """

    id: str
    method: str
    path: str
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    principal: Principal = ANONYMOUS
    is_socket: bool = False
    abort: Callable[[], None] = lambda: None


class ClientGoneError(Exception):
    """Nobody is there any more to be answered."""


async def read_body(receive: Receive, *, announced: int) -> bytes:
    """The whole body.

    Raises:
        ClientGoneError: the client has gone.
        RejectedError: `body_too_large`, before it is read when it announces itself as that,
            `request_timeout` when it takes too long to come, or `body_malformed` when it has more
            parts than anything that we take.
    """
    if announced > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        # From the first byte on: a head that announces a body may be all that ever comes.
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            while (message := await receive())["type"] == "http.request":
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
                if not message.get("more_body"):
                    return _checked(bytes(body))
    except TimeoutError:
        raise RejectedError("request_timeout", "the body took too long to come") from None
    raise ClientGoneError


def _checked(body: bytes) -> bytes:
    if body.count(b"[") + body.count(b"{") > MAX_BODY_PARTS:
        raise RejectedError(
            "body_malformed", f"the body may have at most {MAX_BODY_PARTS} objects and lists"
        )
    return body


def _too_large() -> RejectedError:
    return RejectedError("body_too_large", f"the body may have at most {MAX_BODY_BYTES} bytes")
