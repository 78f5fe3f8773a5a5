"""What an order costs in BILL, and how deep its payment must lie before milk is handed over."""

from dataclasses import dataclass
from decimal import Decimal

from ledger.order import Finality
from ledger.units import BILL_DECIMALS, Sen, Units

DUE_DECIMALS = 6
"""A due amount is a multiple of this decimal place: what a person can still read and type."""

_SEN_PER_MYR = 100


@dataclass(frozen=True, slots=True)
class ConfirmationPolicy:
    """Up to which amount, in sen and inclusive, a payment is released at which depth."""

    included_limit: Sen
    safe_limit: Sen

    def required_finality(self, amount_myr: Sen) -> Finality:
        """The depth at which an order of `amount_myr` counts as paid.

        A payment that is only included can still leave the chain: the limits say how much milk
        the store is ready to lose by that.
        """
        if amount_myr <= self.included_limit:
            return Finality.INCLUDED
        if amount_myr <= self.safe_limit:
            return Finality.SAFE
        return Finality.FINALIZED


def expiry(now: int, *, tip_timestamp: int, ttl_seconds: int) -> int:
    """When an order made now expires, in Unix seconds of the chain.

    Counted from whichever clock is ahead. The chain's decides what is late, so an order that a
    slow clock of ours made to expire in the chain's past could never be paid in time.
    """
    return max(now, tip_timestamp) + ttl_seconds


def bill_due(amount_myr: Sen, *, rate_myr_per_bill: Decimal) -> Units:
    """The BILL that pays `amount_myr` at the rate, rounded up to `DUE_DECIMALS` decimals.

    Rounded up, so that the store never receives less than the price; computed in whole numbers,
    so that every replica finds the same.

    Raises:
        ValueError: the rate is not a positive number.
    """
    if not rate_myr_per_bill.is_finite() or rate_myr_per_bill <= 0:
        raise ValueError("the rate must be a positive number")
    numerator, denominator = rate_myr_per_bill.as_integer_ratio()
    steps = -(-amount_myr * denominator * 10**DUE_DECIMALS // (numerator * _SEN_PER_MYR))
    return Units(steps * 10 ** (BILL_DECIMALS - DUE_DECIMALS))
