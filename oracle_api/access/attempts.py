"""Bounds failed sign-ins, by account name and by address: guessing must take years."""

import math
from typing import Final

from oracle_api.access.bounded_cache import BoundedCache
from oracle_api.access.office import Office
from oracle_api.times import Clock

NAME_BURST: Final = 5
NAME_SECONDS: Final = 30.0
"""Five wrong passwords at once, then one in 30 seconds: 1,000,000 a year, for one account."""

ADDRESS_BURST: Final = 20
ADDRESS_SECONDS: Final = 6.0
"""A school's many devices share an address; ten guesses a minute over all accounts."""

MAX_REMEMBERED: Final = 20_000


class Attempts:
    """Two budgets that refill by time; a sign-in that succeeds gives back what it took.

    In this process's memory: with N replicas a guesser has N budgets. An account is never locked
    for good, or anybody could lock anybody out; who is signed in stays so.
    """

    def __init__(self, office: Office, clock: Clock) -> None:
        self._office = office
        self._clock = clock
        self._names = _Budgets(NAME_BURST, NAME_SECONDS)
        self._addresses = _Budgets(ADDRESS_BURST, ADDRESS_SECONDS)

    def take(self, name: str, address: str) -> None:
        """Spend one attempt, before the password is looked at.

        Raises:
            ThrottledError: `sign_in_too_often`; whether the name exists makes no difference.
        """
        now = self._clock()
        wait = max(self._names.wait(name, now), self._addresses.wait(address, now))
        if wait > 0:
            raise self._office.too_often(math.ceil(wait))
        self._names.spend(name, now)
        self._addresses.spend(address, now)

    def give_back(self, name: str, address: str) -> None:
        """The attempt was a success: the name is its owner's again, the address loses nothing."""
        now = self._clock()
        self._names.clear(name)
        self._addresses.refund(address, now)


class _Budgets:
    """Remembers of each key only when its budget will be whole again (a virtual clock)."""

    def __init__(self, burst: int, refill_seconds: float) -> None:
        self._burst_seconds = burst * refill_seconds
        self._refill_seconds = refill_seconds
        self._whole_at = BoundedCache[str, float](MAX_REMEMBERED)

    def wait(self, key: str, now: float) -> float:
        """The seconds until one more can be spent; not more than 0 when it can be now."""
        return self._at(key, now) + self._refill_seconds - self._burst_seconds - now

    def spend(self, key: str, now: float) -> None:
        self._set(key, self._at(key, now) + self._refill_seconds)

    def refund(self, key: str, now: float) -> None:
        self._set(key, max(now, self._at(key, now) - self._refill_seconds))

    def clear(self, key: str) -> None:
        self._whole_at.drop(key)

    def _at(self, key: str, now: float) -> float:
        return max(now, self._whole_at.get(key, now=now) or now)

    def _set(self, key: str, at: float) -> None:
        self._whole_at.put(key, at, until=at)
