"""The two forms in which the same messages go over the wire: server-sent events and WebSocket."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Message:
    """What a client is told; `data` is JSON without line breaks, `seq` the event's number."""

    name: str
    data: bytes
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """How messages are written one behind the other."""

    name: str
    write_one: Callable[[Message], bytes]
    opening: bytes = b""
    separator: bytes = b""
    closing: bytes = b""

    def write(self, messages: Sequence[Message]) -> bytes:
        """The messages, at least one, as one part of a stream."""
        return self.opening + self.separator.join(map(self.write_one, messages)) + self.closing

    def write_whole(self, messages: Sequence[Message]) -> "Written":
        """The same, with the places at which a client may be who has the first of them."""
        body, ends = bytearray(self.opening), []
        for number, message in enumerate(messages, 1):
            body += self.write_one(message)
            if number < len(messages):
                body += self.separator
            ends.append(len(body))
        return Written(bytes(body + self.closing), tuple(ends), self.opening)


@dataclass(frozen=True, slots=True)
class Written:
    """Consecutive messages in one form; `ends` are the offsets behind each."""

    body: bytes
    ends: tuple[int, ...]
    opening: bytes

    def after(self, count: int) -> bytes:
        """What follows the first `count` messages; without a copy when that is all of them."""
        return self.opening + self.body[self.ends[count - 1] :] if count else self.body


def _server_sent(message: Message) -> bytes:
    number = b"" if message.seq is None else b"id: %d\n" % message.seq
    return b"event: %b\n%bdata: %b\n\n" % (message.name.encode(), number, message.data)


def _framed(message: Message) -> bytes:
    number = b"null" if message.seq is None else b"%d" % message.seq
    return b'{"event":"%b","id":%b,"data":%b}' % (message.name.encode(), number, message.data)


SERVER_SENT: Final = Form("server-sent", _server_sent)
"""https://html.spec.whatwg.org/multipage/server-sent-events.html"""

SOCKET: Final = Form("socket", _framed, b"[", b",", b"]")
"""A JSON array in each frame: many events at once cost a client one frame, not many."""
