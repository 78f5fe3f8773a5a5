"""Bounds failed sign-ins, by account name and by address: guessing must take years."""

import hashlib
from typing import Final

from oracle_api.access.office import Office
from oracle_api.budgets.policy import Budget, caller_network
from oracle_api.budgets.spending import Spender

BY_NAME: Final = Budget("sign-ins-by-name", limit=5, window_seconds=150)
"""Five wrong passwords in two and a half minutes: 1,000,000 a year, for one account."""

BY_ADDRESS: Final = Budget("sign-ins-by-address", limit=20, window_seconds=120, is_refundable=True)
"""A school's many devices share an address, and a /64 of IPv6 counts as one; ten guesses a minute
over all accounts."""


class Attempts:
    """Two budgets that refill by time; a sign-in that succeeds gives back what it took.

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
        by_name = await self._spender.spend(BY_NAME, _digest(name))
        if not by_name.is_allowed:
            # Whoever hammers at one name must not use up what their neighbours sign in with.
            await self._spender.give_back(BY_ADDRESS, network)
            raise self._office.too_often(by_name.reset_seconds)

    async def give_back(self, name: str, address: str) -> None:
        """The attempt was a success: the name is its owner's again, the address loses nothing."""
        await self._spender.forget(BY_NAME, _digest(name))
        await self._spender.give_back(BY_ADDRESS, caller_network(address))


def _digest(name: str) -> str:
    """A name as a key: of one length whatever was sent, and not to be read in Redis."""
    return hashlib.sha256(name.encode()).hexdigest()
