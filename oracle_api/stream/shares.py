"""How much of what everybody shares one client may hold at once: streams, held requests."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from oracle_api.access.principal import OPEN, Principal


def client_of(principal: Principal) -> str | None:
    """Who is counted: the account, or the address of one without; nobody when access is open.

    That is only on the loopback interface, where all tills of a test come from one address.
    """
    if principal is OPEN:
        return None
    return principal.account_id or principal.client_address


class Shares:
    """Counts what each client holds; `most` is for each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()

    @contextlib.contextmanager
    def hold(self, client: str | None) -> Iterator[bool]:
        """Hold one more for the length of the block; False, and held is nothing, when too many."""
        if client is None:
            yield True
            return
        if self._held[client] >= self._most:
            yield False
            return
        self._held[client] += 1
        try:
            yield True
        finally:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]

    @contextlib.contextmanager
    def hold_for(self, principal: Principal, wait_seconds: float) -> Iterator[float]:
        """Hold a request for so long as its client likes; for no time when it holds too many.

        `Prefer` is a preference: who is over the limit is answered at once, not refused.
        """
        if not wait_seconds:
            yield 0.0
            return
        with self.hold(client_of(principal)) as has_room:
            yield wait_seconds if has_room else 0.0
