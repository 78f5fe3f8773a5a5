"""Sends one message to one URL, to where it may go and nowhere else, within limits."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from oracle_api.webhooks.bounded_socket import BoundedSocket
from oracle_api.webhooks.lookup import (
    CheckedResolver,
    ForbiddenAddressError,
    IsAllowed,
    Lookup,
    check_addresses,
)
from oracle_api.webhooks.retries import read_retry_after

CONNECT_TIMEOUT_SECONDS: Final = 5.0
TOTAL_TIMEOUT_SECONDS: Final = 15.0
USER_AGENT: Final = "BillCoin-Pay-Webhooks/1"

# Most telling first; what is not here is the driver's word for a broken connection or answer.
_ERRORS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ForbiddenAddressError, "address_forbidden"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorDNSError, "name_unknown"),
    (aiohttp.ClientConnectorCertificateError, "tls_failed"),
    (aiohttp.ClientSSLError, "tls_failed"),
    (aiohttp.ClientConnectorError, "connect_failed"),
    (ssl.SSLError, "tls_failed"),
    (OSError, "connect_failed"),
    (aiohttp.ClientError, "answer_malformed"),
    (ValueError, "answer_malformed"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt met with: a status, or an error that kept one away, or both."""

    status_code: int | None
    error: str | None
    retry_after: timedelta | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has understood."""
        return self.error is None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing more, ever."""
        return self.status_code == HTTPStatus.GONE


class Sender:
    """Sends over connections that are used once: each is looked up, checked and pinned anew."""

    def __init__(self, session: aiohttp.ClientSession, is_allowed: IsAllowed) -> None:
        self._session = session
        self._is_allowed = is_allowed

    async def send(
        self, url: str, body: bytes, headers: Mapping[str, str], *, now: datetime
    ) -> Outcome:
        """POST a body; whatever happens is an outcome. The answer's body is never read."""
        try:
            # An address needs no look-up, so the resolver would never see it.
            host = urlsplit(url).hostname or ""
            if ":" in host or host.replace(".", "").isdigit():
                check_addresses([host], self._is_allowed)
            async with self._session.post(
                url, data=body, headers=dict(headers), allow_redirects=False
            ) as answer:
                retry_after = read_retry_after(answer.headers.get("Retry-After"), now=now)
                return Outcome(answer.status, _complaint(answer.status), retry_after)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            for kind, code in _ERRORS:
                if isinstance(error, kind):
                    return Outcome(None, code)
            raise


@contextlib.asynccontextmanager
async def open_sender(
    lookup: Lookup, is_allowed: IsAllowed, *, tls: ssl.SSLContext | bool = True
) -> AsyncIterator[Sender]:
    """A sender for the length of the block; no proxy, no cookie, no second look-up."""

    def checked_socket(info: Any) -> BoundedSocket:
        # The last place before a connection, whatever led here.
        family, kind, protocol, _, address = info
        check_addresses([address[0]], is_allowed)
        return BoundedSocket(family, kind, protocol)

    connector = aiohttp.TCPConnector(
        resolver=CheckedResolver(lookup, is_allowed),
        use_dns_cache=False,
        force_close=True,
        limit=0,
        ssl=tls,
        socket_factory=checked_socket,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
        timeout=aiohttp.ClientTimeout(
            total=TOTAL_TIMEOUT_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS
        ),
    ) as session:
        yield Sender(session, is_allowed)


def _complaint(status: int) -> str | None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "redirect"
    return "refused"
