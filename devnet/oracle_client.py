"""The oracle's HTTP API as a partner's wallet and a till use it."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ledger.errors import RejectedError, TransientError
from ledger.json_hex import to_hex

VALIDATE_WAIT_SECONDS = 10
_TIMEOUT_SECONDS = 20.0
_RENEW_EARLY_SECONDS = 30.0


@dataclass(frozen=True)
class SignIn:
    """An account's name and password."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class StreamEvent:
    """One event of the order stream: its type, and its data as sent."""

    type: str
    data: str
    id: str | None = None


class OracleClient:
    """One oracle; make it with `open_oracle`."""

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        *,
        sign_in: SignIn | None = None,
        api_key: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._sign_in = sign_in
        self._credential = api_key
        self._ends_at = 0.0

    async def is_ready(self) -> bool:
        """Whether `/readyz` answers 200; an oracle that is not up yet is not ready."""
        try:
            async with self._session.get(f"{self.url}/readyz") as reply:
                return reply.status == 200  # noqa: PLR2004 - HTTP's OK
        except aiohttp.ClientError:
            return False

    async def readiness(self) -> str:
        """`ready`, or the code of the first reason why not."""
        try:
            async with self._session.get(f"{self.url}/readyz") as reply:
                body = await reply.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return "unreachable"
        return str(body.get("code") or body.get("status"))

    async def _own(self) -> dict[str, str]:
        """The headers that say who asks; nobody, where access is open to all."""
        if self._sign_in is not None and time.monotonic() > self._ends_at - _RENEW_EARLY_SECONDS:
            grant = {
                "grant_type": "password",
                "username": self._sign_in.name,
                "password": self._sign_in.password,
            }
            granted = await self._exchange("POST", "/api/v1/tokens", {}, json=grant)
            self._credential = granted["access_token"]
            self._ends_at = time.monotonic() + float(granted["expires_in"])
        return {"Authorization": f"Bearer {self._credential}"} if self._credential else {}

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask for anything that is asked for in JSON.

        Raises:
            RejectedError: the oracle refused; with its code.
            TransientError: it cannot be reached, or does not speak JSON.
        """
        return await self._json("POST", path, json=body)

    async def get(self, path: str) -> dict[str, Any]:
        """Read anything that is told in JSON; errors as `post` has them."""
        return await self._json("GET", path)

    async def _json(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **request: Any
    ) -> dict[str, Any]:
        return await self._exchange(
            method, path, {**(headers or {}), **await self._own()}, **request
        )

    async def _exchange(
        self, method: str, path: str, headers: dict[str, str], **request: Any
    ) -> dict[str, Any]:
        url = self.url + path
        try:
            async with self._session.request(method, url, headers=headers, **request) as reply:
                body = await reply.json(content_type=None)
                status = reply.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise TransientError(f"no answer from the oracle at {self.url}: {error!r}") from error
        if not isinstance(body, dict):
            raise TransientError(f"the oracle answered {path} with {status} and no JSON object")
        # A verdict is an answer whatever its status; anything else that is no success is not.
        if status >= 400 and "valid" not in body:  # noqa: PLR2004 - HTTP's first refusal
            code, detail = body.get("code", f"http_{status}"), body.get("detail", body)
            raise RejectedError(str(code), f"the oracle refused {path} ({status}): {detail}")
        return body

    async def validate(self, tx_hash: bytes, expected_amount: str) -> dict[str, Any]:
        """Ask for the verdict on a payment, waiting a little for one that is about to arrive."""
        return await self._json(
            "POST",
            "/api/v1/payments/validate",
            json={"txHash": to_hex(tx_hash), "expectedAmount": expected_amount},
            headers={"Prefer": f"wait={VALIDATE_WAIT_SECONDS}"},
        )

    async def create_order(self, sku: str, quantity: int) -> dict[str, Any]:
        """Place an order; a fresh idempotency key each time."""
        return await self._json(
            "POST",
            "/api/v1/orders",
            json={"items": [{"sku": sku, "quantity": quantity}]},
            headers={"Idempotency-Key": secrets.token_hex(16)},
        )

    async def order(self, order_id: str) -> dict[str, Any]:
        """An order as it stands."""
        return await self._json("GET", f"/api/v1/orders/{order_id}")

    async def qr_svg(self, order_id: str) -> str:
        """The order's QR code as SVG text.

        Raises:
            TransientError: It was not served.
        """
        url = f"{self.url}/api/v1/orders/{order_id}/qr.svg"
        async with self._session.get(url, headers=await self._own()) as reply:
            text = await reply.text()
            if reply.status != 200 or "<svg" not in text:  # noqa: PLR2004 - HTTP's OK
                raise TransientError(f"the QR code was answered with {reply.status}")
            return text

    async def order_events(self, *, connected: asyncio.Event) -> AsyncIterator[StreamEvent]:
        """Follow the order stream (server-sent events) until it ends.

        One that ends with its access token goes on, from the last event, with a new one.

        Args:
            connected: Set once the stream answers, so that nothing after it can be missed.
        """
        last_id: str | None = None
        while True:
            own, ends_at = await self._own(), self._ends_at
            async for event in self._stream(own, last_id, connected):
                last_id = event.id or last_id
                yield event
            if self._sign_in is None or time.monotonic() < ends_at - _RENEW_EARLY_SECONDS:
                return

    async def _stream(
        self, headers: dict[str, str], last_id: str | None, connected: asyncio.Event
    ) -> AsyncIterator[StreamEvent]:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        path = f"{self.url}/api/v1/orders/stream"
        if last_id is not None:
            headers = {**headers, "Last-Event-ID": last_id}
        async with self._session.get(path, headers=headers, timeout=timeout) as reply:
            reply.raise_for_status()
            connected.set()
            kind, data = "message", list[str]()
            event_id: str | None = None
            async for raw in reply.content:
                line = raw.decode().rstrip("\r\n")
                if not line:
                    if data:
                        yield StreamEvent(kind, "\n".join(data), event_id)
                    kind, event_id, data = "message", None, []
                    continue
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "event":
                    kind = value.strip()
                elif name == "data":
                    data.append(value)
                elif name == "id":
                    event_id = value


@asynccontextmanager
async def open_oracle(
    url: str, *, sign_in: SignIn | None = None, api_key: str | None = None
) -> AsyncIterator[OracleClient]:
    """An oracle to talk to for the length of the block, as an account or with an API key."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield OracleClient(url, session, sign_in=sign_in, api_key=api_key)
