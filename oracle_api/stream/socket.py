"""`GET /api/v1/orders/ws`: the same feed over a WebSocket, a JSON array of messages a frame."""

import contextlib
from typing import Final

from starlette.types import Receive, Send

from oracle_api import versions
from oracle_api.problems import Reply, UnavailableError, problem, problem_of
from oracle_api.request import DirectRequest
from oracle_api.stream.endpoints import until_gone
from oracle_api.stream.feed import Feeds
from oracle_api.stream.form import SOCKET
from oracle_api.stream.subscriber import Ending

PATH: Final = "/api/v1/orders/ws"

# RFC 6455, section 7.4, and IANA's registry of close codes.
_CLOSE_CODES: Final = {
    Ending.GOING_AWAY: 1001,
    Ending.CLIENT_SPOKE: 1003,
    Ending.UNAVAILABLE: 1013,
    Ending.CREDENTIALS_EXPIRED: 3000,
}


class SocketEndpoint:
    """Serves feeds over WebSockets; the client listens and never speaks."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    async def __call__(self, request: DirectRequest, receive: Receive, send: Send) -> Reply | None:
        """Serve one socket until its client, or we, have had enough."""

        async def send_part(part: bytes) -> None:
            await send({"type": "websocket.send", "text": part.decode()})

        try:
            async with self._feeds.open(request, SOCKET) as feed:
                opening = await feed.opening(request)
                headers = [(b"x-request-id", request.id.encode()), versions.HEADER]
                await send({"type": "websocket.accept", "headers": headers})
                # What the server raises when a client goes in the middle of a send.
                with contextlib.suppress(OSError):
                    async with until_gone(receive, feed.subscriber):
                        await feed.run(send_part, opening)
                        ending = feed.subscriber.ending
                        if ending is not None and (code := _CLOSE_CODES.get(ending)):
                            message = {"type": "websocket.close", "code": code, "reason": ending}
                            await send(message)
        except UnavailableError as error:
            return problem_of(error, request_id=request.id)
        return None


async def ask_to_upgrade(request: DirectRequest) -> Reply:
    """Answer a plain request to the socket's path."""
    reply = problem(
        426,
        "upgrade_required",
        "this is a WebSocket; for plain HTTP use /api/v1/orders/stream",
        request_id=request.id,
    )
    upgrade = ((b"upgrade", b"websocket"), (b"connection", b"upgrade"))
    return Reply(reply.status, reply.body, (*reply.headers, *upgrade))
