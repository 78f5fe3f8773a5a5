"""A socket that hears so much of an answer and no more."""

from socket import socket
from typing import Any, Final

MAX_ANSWER_BYTES: Final = 64 * 1024
"""With the handshake of TLS. Of an answer its head is all that we want, and of interim answers
(RFC 9110, 15.2), each of which has to be parsed, there may be any number before it."""

READ_BYTES: Final = 8 * 1024
"""At once: what one receiver says is parsed before anybody else's turn comes."""


class BoundedSocket(socket):
    """Then it is as if the other side had hung up; `asyncio` reads by one of these two methods."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left = MAX_ANSWER_BYTES

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """At most what is still allowed."""
        data = super().recv(self._allowed(bufsize), flags) if self._left else b""
        self._left -= len(data)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """At most what is still allowed."""
        if not self._left:
            return 0
        count = super().recv_into(buffer, self._allowed(nbytes or len(buffer)), flags)
        self._left -= count
        return count

    def _allowed(self, wanted: int) -> int:
        return min(wanted, self._left, READ_BYTES)
