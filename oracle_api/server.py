"""uvicorn with the limits that it leaves open, and streams that end before it waits for them."""

import asyncio
import contextlib
import gc
import socket
from http import HTTPStatus
from typing import Any

import structlog
import uvicorn
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidMessage
from websockets.http11 import Request

from ledger.errors import RejectedError
from oracle_api.application import Oracle
from oracle_api.request import ABORT, MAX_BODY_BYTES
from oracle_api.settings import Settings
from oracle_api.unread import (
    MAX_HEAD_BYTES,
    handshake_malformed,
    handshake_too_large,
    head_too_large,
    request_malformed,
    written,
)

MAX_SENT_BODY_BYTES = 8 * MAX_BODY_BYTES
"""A body with the lengths of its chunks and what follows it, which the application does not see."""

HEAD_TIMEOUT_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 65
"""Longer than a usual proxy keeps idle connections, so that the proxy closes first."""

MAX_FRAME_BYTES = 1024
"""Of what a client sends over a WebSocket: nothing is asked of it, so this is for its last word."""

PING_SECONDS = 15.0
SHUTDOWN_SECONDS = 5
BACKLOG = 4096

log = structlog.get_logger()


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection, which may send nothing that has no end, nor take for ever to send a head."""

    url = b""
    _head_bytes = 0
    _is_head_open = True
    _body_bytes = 0
    _is_body_open = False
    _may_end_large_head = False
    _has_large_head = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a connection that says nothing is closed as well."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head or a body that has not ended."""
        self._may_end_large_head = self._head_bytes + len(data) > MAX_HEAD_BYTES
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_head_open:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(head_too_large())
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self.transport.close)
        elif self._is_body_open:
            self._body_bytes += len(data)
            if self._body_bytes > MAX_SENT_BODY_BYTES:
                self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_head_open, self._head_bytes = True, 0
        super().on_message_begin()
        self.scope[ABORT] = self.transport.abort  # type: ignore[typeddict-unknown-key]

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what follows a body must not be taken for one (RFC 9110, 6.5.1)."""
        if self._is_head_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head has ended; one that has come in large pieces is measured now."""
        self._is_head_open, self._is_body_open, self._body_bytes = False, True, 0
        self._stop_timer()
        if self._may_end_large_head and self._measured_head_bytes() > MAX_HEAD_BYTES:
            self._has_large_head = True
            raise head_too_large()  # which ends the parsing
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has ended, and what may follow it."""
        self._is_body_open = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the library's form
        """Answer what could not be parsed, or need not be."""
        self._refuse(head_too_large() if self._has_large_head else request_malformed())

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to time."""
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def is_write_paused(self) -> bool:
        """Whether so much waits for the client that nothing more is written."""
        return self.flow.write_paused

    def _refuse(self, error: RejectedError) -> None:
        """Answer by ourselves, unless another answer has still to end before it; then close."""
        if self._is_answer_due():
            answer = written(
                error,
                method=self.parser.get_method(),
                target=self.url,
                headers=self.headers or (),
                more=self.server_state.default_headers,
            )
            self.transport.write(answer)
        self.transport.close()

    def _is_answer_due(self) -> bool:
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        return self._is_body_open and not cycle.response_started and not self.pipeline

    def _measured_head_bytes(self) -> int:
        return len(self.url) + sum(len(b": \r\n") + len(n) + len(v) for n, v in self.headers)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class BoundedSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket, whose scope can end it as well; whoever only asks fills no memory."""

    _pong = b""

    def data_received(self, data: bytes) -> None:
        """Answer a handshake that the library did not read, and would leave without a word."""
        super().data_received(data)
        unread = self.conn.handshake_exc
        if unread is not None and not self.handshake_initiated:
            is_malformed = isinstance(unread, InvalidMessage)
            self._refuse(request_malformed() if is_malformed else handshake_too_large())

    def handle_connect(self, event: Request) -> None:
        """The handshake has come; the application is started behind this."""
        status = self.conn.accept(event).status_code
        if status != HTTPStatus.SWITCHING_PROTOCOLS:
            self._refuse(handshake_malformed(status), event)
            return
        super().handle_connect(event)
        self.scope[ABORT] = self.transport.abort  # type: ignore[typeddict-unknown-key]

    @property
    def is_write_paused(self) -> bool:
        """Whether so much waits for the client that nothing more is written."""
        return not self.writable.is_set()

    def handle_ping(self) -> None:
        """Answer a ping; of many whose answers nobody reads the newest alone (RFC 6455, 5.5.3)."""
        pong = b"".join(self.conn.data_to_send())
        if self.is_write_paused:
            self._pong = pong
        else:
            self.transport.write(pong)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._pong:
            pong, self._pong = self._pong, b""
            self.transport.write(pong)

    async def send(self, message: ASGISendEvent) -> None:
        """Send; a handshake that was refused with a whole answer is complete."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # Else the server would log an error of ours whenever somebody is refused.
            self.handshake_complete = True

    def _refuse(self, error: RejectedError, event: Request | None = None) -> None:
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        read = event.headers.raw_items() if event else ()
        answer = written(
            error,
            method=event.method.encode() if event else b"GET",
            target=event.path.encode() if event else b"",
            headers=[
                (name.lower().encode(), value.encode("utf-8", "replace")) for name, value in read
            ],
            more=self.default_headers,
        )
        self.transport.write(answer)
        self.transport.close()


class OracleServer(uvicorn.Server):
    """A server that first ends streams and waits, which else would hold up its shutdown."""

    def __init__(self, oracle: Oracle, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._oracle = oracle
        self._watching: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, and leave what lives for ever out of garbage collection."""
        await super().startup(sockets)
        watch = self._oracle.slow_readers.watch(self.server_state.connections)
        self._watching = asyncio.create_task(watch)
        gc.collect()
        gc.freeze()
        log.info("serving", addresses=self.addresses)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then the server."""
        self._oracle.close_streams()
        await super().shutdown(sockets)
        if self._watching is not None:
            self._watching.cancel()

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as `host:port`; a port of 0 is resolved here."""
        names = [one.getsockname() for server in self.servers for one in server.sockets]
        return [f"{name[0]}:{name[1]}" for name in names]


def server_for(oracle: Oracle, settings: Settings, **options: Any) -> OracleServer:
    """The server of an oracle, not yet started."""
    config = uvicorn.Config(
        oracle,
        host=settings.oracle_host,
        port=settings.oracle_port,
        http=BoundedHttpProtocol,
        ws=BoundedSocketProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,  # it would write every frame anew for every client
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Else whoever connects from loopback would choose the address that its budget hangs on.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        **options,
    )
    return OracleServer(oracle, config)


def serve(oracle: Oracle, settings: Settings) -> int:
    """Serve until told to stop; returns the process's exit status."""
    raise_file_limit()
    log.info("starting", **settings.describe())
    server = server_for(oracle, settings)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else 3


def raise_file_limit() -> None:
    """Allow as many connections as the system lets us: each stream is an open file."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
