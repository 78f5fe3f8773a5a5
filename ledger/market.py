"""What a market purchase has come to, folded out of the contract's events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ledger.units import Units


class PurchaseStatus(StrEnum):
    """Where a purchase stands, as the contract has it; `overdue` ones anybody may close."""

    ORDERED = "ordered"
    DELIVERED = "delivered"
    DISPUTED = "disputed"
    REDEEMED = "redeemed"
    REFUNDED = "refunded"
    SPLIT = "split"


OPEN = frozenset({PurchaseStatus.ORDERED, PurchaseStatus.DELIVERED, PurchaseStatus.DISPUTED})


_NOTHING = Units(0)


@dataclass(frozen=True, slots=True)
class Purchase:
    """A purchase; `units` of BILL were paid, of which parts were redeemed and refunded.

    `deadline` is that of the state it is in, Unix seconds; `settlement` base units of the
    programme's money.
    """

    status: PurchaseStatus
    deadline: int
    units: Units
    redeemed: Units = _NOTHING
    refunded: Units = _NOTHING
    settlement: int = 0

    def is_overdue(self, now: int) -> bool:
        """Whether the time of its state is over and anybody may close it."""
        return self.status in OPEN and now > self.deadline


def fold_purchase(bought: dict[str, Any], later: Sequence[tuple[str, dict[str, Any]]]) -> Purchase:
    """A purchase after what followed its `Purchased`, in the order of the chain.

    Args:
        bought: the arguments of `Purchased`.
        later: name and arguments of the other events of this purchase.
    """
    found = Purchase(PurchaseStatus.ORDERED, int(bought["deadline"]), Units(int(bought["units"])))
    for name, said in later:
        if name == "DeliveryReported":
            found = replace(found, status=PurchaseStatus.DELIVERED, deadline=int(said["deadline"]))
        elif name == "Disputed":
            found = replace(found, status=PurchaseStatus.DISPUTED, deadline=int(said["deadline"]))
        elif name == "Redeemed":
            found = replace(
                found,
                redeemed=Units(int(said["units"])),
                settlement=int(said["settlement"]),
            )
        elif name == "Refunded":
            found = replace(found, refunded=Units(int(said["units"])))
    if found.redeemed and found.refunded:
        return replace(found, status=PurchaseStatus.SPLIT)
    if found.redeemed:
        return replace(found, status=PurchaseStatus.REDEEMED)
    return replace(found, status=PurchaseStatus.REFUNDED) if found.refunded else found
