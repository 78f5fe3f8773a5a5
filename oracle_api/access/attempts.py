"""Bounds failed sign-ins, by account name and by address: guessing must take years."""

import hashlib
from typing import Final

from oracle_api.access.office import Office
from oracle_api.budgets.policy import Budget, caller_network
from oracle_api.budgets.spending import Spender

BY_NAME: Final = Budget("sign-ins-by-name", limit=5, window_seconds=150)
"""Five wrong passwords in two and a half minutes for one account, from one network: whoever
guesses from elsewhere keeps its owner from nothing."""

BY_NAME_ANYWHERE: Final = Budget("sign-ins-by-name-anywhere", limit=50, window_seconds=150)
"""Of a guesser who has many networks: 10,000,000 a year, of passwords of twelve characters. Ten
networks that do nothing else are what it takes to keep an owner from signing in."""

BY_ADDRESS: Final = Budget("sign-ins-by-address", limit=20, window_seconds=120, is_refundable=True)
"""A school's many devices share an address, and a /64 of IPv6 counts as one; ten guesses a minute
over all accounts."""


class Attempts:
    """Three budgets that refill by time; a sign-in that succeeds gives back what it took.

    They are counted where all budgets are: with a Redis, for all replicas together. An account is
    never locked for good, or anybody could lock anybody out; who is signed in stays so.
    """

    def __init__(self, office: Office, spender: Spender) -> None:
        self._office = office
        self._spender = spender

    async def take(self, name: str, address: str) -> None:
        """Spend one attempt, before the password is looked at.

        Raises:
            ThrottledError: `sign_in_too_often`; whether the name exists makes no difference.
        """
        network = caller_network(address)
        by_address = await self._spender.spend(BY_ADDRESS, network)
        if not by_address.is_allowed:
            raise self._office.too_often(by_address.reset_seconds)
        # What one network may not try any more does not count for all.
        for budget, whose in _of_name(name, network):
            by_name = await self._spender.spend(budget, whose)
            if not by_name.is_allowed:
                # Whoever hammers at one name must not use up what their neighbours sign in with.
                await self._spender.give_back(BY_ADDRESS, network)
                raise self._office.too_often(by_name.reset_seconds)

    async def give_back(self, name: str, address: str) -> None:
        """The attempt was a success: the name is its owner's again, the address loses nothing."""
        network = caller_network(address)
        for budget, whose in _of_name(name, network):
            await self._spender.forget(budget, whose)
        await self._spender.give_back(BY_ADDRESS, network)


def _of_name(name: str, network: str) -> tuple[tuple[Budget, str], tuple[Budget, str]]:
    """A name's budgets; as keys names are of one length, and not to be read in Redis."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return (BY_NAME, f"{digest} {network}"), (BY_NAME_ANYWHERE, digest)
