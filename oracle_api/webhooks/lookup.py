"""Looks host names up, and lets only addresses through that may be reached."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from ledger.errors import LedgerError

LOOKUP_THREADS: Final = 64
"""A name whose servers are silent keeps one of them for many seconds."""

MAX_ADDRESSES: Final = 8

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Gives a host name's addresses; raises OSError when it has none."""

IsAllowed = Callable[[str], bool]


class ForbiddenAddressError(LedgerError):
    """A name, or a URL, leads to where no partner may send us."""


class SystemLookup:
    """The system's resolver; however many ask for a name at once, it is looked up once."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, "webhook-lookup")
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of a host."""
        future = self._under_way.get(host)
        if future is None:
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._threads, _addresses_of, host)
            self._under_way[host] = future
            future.add_done_callback(lambda done: self._forget(host, done))
        return await asyncio.shield(future)

    def close(self) -> None:
        """Begin no look-up any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _forget(self, host: str, done: "asyncio.Future[list[str]]") -> None:
        self._under_way.pop(host, None)
        if not done.cancelled():
            done.exception()  # whoever waited may have gone


class CheckedResolver(AbstractResolver):
    """What aiohttp connects to: exactly the addresses that were checked here, looked up once.

    One forbidden address among others forbids them all: which one would be used is chance.
    """

    def __init__(self, lookup: Lookup, is_allowed: IsAllowed) -> None:
        self._lookup = lookup
        self._is_allowed = is_allowed

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - every family is asked
    ) -> list[ResolveResult]:
        """The checked addresses of a host.

        Raises:
            ForbiddenAddressError: one of them must not be reached.
            OSError: it has none.
        """
        addresses = await self._lookup(host)
        check_addresses(addresses, self._is_allowed)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses[:MAX_ADDRESSES]
        ]

    async def close(self) -> None:
        """Nothing to close."""


def check_addresses(addresses: Sequence[str], is_allowed: IsAllowed) -> None:
    """Let only addresses pass that may be reached.

    Raises:
        ForbiddenAddressError: one of them may not.
    """
    for address in addresses:
        if not is_allowed(address):
            raise ForbiddenAddressError(f"{address} must not be reached")


def _addresses_of(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))
