"""Whose orders somebody may see: all of them, a store's, or an account's own."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Audience:
    """At most one of both is given; with neither it is everything."""

    store_id: str | None = None
    account_id: str | None = None

    def includes(self, store_id: str | None, account_id: str | None) -> bool:
        """Whether an order of that store, made by that account, is to be seen."""
        if self.store_id is not None:
            return self.store_id == store_id
        return self.account_id is None or self.account_id == account_id


EVERYTHING: Final = Audience()
