"""Which requests a browser sends on behalf of a page that is not ours, and must not be answered.

Nothing is signed in here, so whoever reaches the API may use it. A page that a till's browser
visits does reach it, even on the loopback interface: by a plain form or `fetch`, whose answer it
cannot read but whose effect stays (CSRF), or under a name of its own that it lets point to us,
which makes it one of our pages in the browser's eyes (DNS rebinding).
"""

import ipaddress
from collections.abc import Collection, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from ledger.errors import RejectedError

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({b"same-origin", b"none"})


class Door:
    """Lets in who asks for us by a name of ours and is no foreign page."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(name.lower() for name in names)

    def check(
        self, method: str, headers: Sequence[tuple[bytes, bytes]], *, is_socket: bool = False
    ) -> None:
        """Refuse what only a foreign page would send.

        A WebSocket is no request like others: browsers let any page open one, with our cookies,
        and read what it says, so it is guarded like what changes something.

        Raises:
            RejectedError: `host_unknown` or `origin_foreign`.
        """
        host = origin = site = None
        for name, value in headers:
            if name == b"host":
                if host is not None:
                    # A proxy may have looked at the other one (RFC 9112, section 3.2).
                    raise RejectedError("host_unknown", "there is more than one Host", param="Host")
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        # Browsers always send a host; what sends none is no browser.
        if host is not None and not (_is_nobody_s(host) or host_name(host) in self._names):
            raise RejectedError(
                "host_unknown",
                "this oracle does not answer to that name; add it to BILLCOIN_ORACLE_NAMES",
                param="Host",
            )
        is_guarded = is_socket or method not in _SAFE_METHODS
        if is_guarded and self._is_foreign(host, origin, site):
            raise RejectedError(
                "origin_foreign", "a page of another site may not ask for this", param="Origin"
            )

    def _is_foreign(self, host: bytes | None, origin: bytes | None, site: bytes | None) -> bool:
        if site is not None:
            return site not in _OWN_SITES
        # Without TLS a browser sends the origin alone. A proxy may have put its own name for us
        # into Host, hence the names.
        if origin is None:
            return False
        try:
            asked = urlsplit(origin.decode("latin-1")).netloc.lower()
        except ValueError:  # no URL at all, which no browser sends
            return True
        own = (host or b"").decode("latin-1").lower()
        return asked != own and host_name(asked.encode("latin-1")) not in self._names


def host_name(host: bytes) -> str:
    """The name in a Host header, without its port."""
    text = host.decode("latin-1").lower()
    return text.partition("]")[0][1:] if text.startswith("[") else text.partition(":")[0]


@lru_cache(maxsize=256)
def _is_nobody_s(host: bytes) -> bool:
    """Whether nobody on the internet can let this name point to us.

    An address points to itself, and a name without a dot (`localhost`, a container's) is looked
    up in the local network only.
    """
    name = host_name(host)
    if "." not in name and ":" not in name:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
