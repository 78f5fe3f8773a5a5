"""How much one payer, or one store, may have released that is not final yet."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ledger.order import PolicyReason
from ledger.units import Sen


@dataclass(frozen=True, slots=True)
class Release:
    """An order about to be released at inclusion.

    `place` is the covering payment's block number and log index; a limit of None binds nobody.
    """

    order_id: str
    store_id: str
    payer: bytes
    amount_myr: Sen
    place: tuple[int, int]
    payer_limit: Sen | None
    store_limit: Sen | None


def held_back(
    releases: Iterable[Release],
    *,
    by_payer: Mapping[bytes, int],
    by_store: Mapping[str, int],
) -> dict[str, PolicyReason]:
    """The orders that have to wait for a deeper block, each with the limit that it would break.

    `by_payer` and `by_store` are what is released and not final already, in sen. In the order of
    the chain, so that whoever applies the same blocks holds back the same orders; what is held
    back exposes nobody, so a smaller order behind it may still be released.
    """
    payers = defaultdict(int, by_payer)
    stores = defaultdict(int, by_store)
    reasons: dict[str, PolicyReason] = {}
    for release in sorted(releases, key=lambda one: (one.place, one.order_id)):
        amount = release.amount_myr
        if _breaks(payers[release.payer] + amount, release.payer_limit):
            reasons[release.order_id] = PolicyReason.PAYER_EXPOSURE
        elif _breaks(stores[release.store_id] + amount, release.store_limit):
            reasons[release.order_id] = PolicyReason.STORE_EXPOSURE
        else:
            payers[release.payer] += amount
            stores[release.store_id] += amount
    return reasons


def _breaks(exposed: int, limit: Sen | None) -> bool:
    return limit is not None and exposed > limit
