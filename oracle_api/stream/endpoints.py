"""`GET /api/v1/orders/stream`: server-sent events, from a snapshot or from where a client was."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.types import Receive, Send

from oracle_api import versions
from oracle_api.problems import Reply, UnavailableError, problem_of
from oracle_api.request import DirectRequest
from oracle_api.stream.feed import Feeds
from oracle_api.stream.form import SERVER_SENT
from oracle_api.stream.subscriber import Ending, Subscriber

PATH = "/api/v1/orders/stream"
RETRY_MILLISECONDS = 1_000

_RETRY = b"retry: %d\n\n" % RETRY_MILLISECONDS


class StreamEndpoint:
    """Serves feeds as server-sent events."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    async def __call__(self, request: DirectRequest, receive: Receive, send: Send) -> Reply | None:
        """Serve one stream until its client, or we, have had enough."""

        async def send_part(part: bytes) -> None:
            await send({"type": "http.response.body", "body": part, "more_body": True})

        try:
            async with self._feeds.open(request, SERVER_SENT) as feed:
                opening = await feed.opening(request)
                await _send_start(send, request.id)
                if request.method == "HEAD":
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    return None
                async with until_gone(receive, feed.subscriber):
                    await feed.run(send_part, _RETRY + opening)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except UnavailableError as error:
            return problem_of(error, request_id=request.id)
        return None


async def _send_start(send: Send, request_id: str) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-accel-buffering", b"no"),  # a proxy must not collect events
        (b"x-request-id", request_id.encode()),
        versions.HEADER,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


@contextlib.asynccontextmanager
async def until_gone(receive: Receive, subscriber: Subscriber) -> AsyncIterator[None]:
    """Close the feed when its client goes, for the length of the block."""
    listening = asyncio.create_task(_listen(receive, subscriber))
    try:
        yield
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


async def _listen(receive: Receive, subscriber: Subscriber) -> None:
    """A client that sends a message over its stream is not one of ours."""
    while True:
        kind = (await receive())["type"]
        if kind.endswith(".disconnect"):
            subscriber.close(Ending.CLIENT_GONE)
            return
        if kind == "websocket.receive":
            subscriber.close(Ending.CLIENT_SPOKE)
            return
