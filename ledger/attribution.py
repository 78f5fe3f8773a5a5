"""Which batches stand behind a sale: the rule of docs/adr/0013, over what was minted and burned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal, localcontext

from ledger.units import Units

# Enough that no rounding of a factor shows in eighteen decimals of a litre.
_CONTEXT = Context(prec=80, rounding=ROUND_DOWN, Emin=-10_000, Emax=10_000)


@dataclass(frozen=True, slots=True)
class SupplyChange:
    """What one transaction did to the supply; `batches` is what it minted for which batch."""

    minted: Units
    burned: Units
    batches: Sequence[tuple[str, Units]] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """A batch's part of a supply; `litres` is the sale's litres times `fraction`."""

    batch_id: str
    remaining: Units
    fraction: Decimal
    litres: Units


@dataclass(frozen=True, slots=True)
class Attribution:
    """A sale's litres, spread over everything that was in circulation when it was made.

    `unattested` is what no batch stands behind: BILL of other minters, and the dust of rounding.
    """

    supply: Units
    shares: tuple[Share, ...]
    unattested: Units


def attribute(changes: Iterable[SupplyChange], sold: Units) -> Attribution:
    """Spread a sale pro rata over the batches whose litres had not been burned yet.

    BILL is fungible: a unit of it is every batch's in proportion. So a burn takes from each batch
    what it takes from the supply, and a sale is backed by each in the same way. Parts are rounded
    down to base units. `changes` are in the order of the chain.
    """
    with localcontext(_CONTEXT):
        supply, factor = 0, Decimal(1)
        # What a batch would be if all burns so far had come before it: remaining = value * factor.
        values: dict[str, Decimal] = {}
        for change in changes:
            for batch_id, litres in change.batches:
                values[batch_id] = values.get(batch_id, Decimal(0)) + Decimal(litres) / factor
            supply += change.minted
            if change.burned and supply > 0:
                left = max(supply - change.burned, 0)
                if left == 0:
                    values, factor = {}, Decimal(1)
                else:
                    factor *= Decimal(left) / supply
                supply = left
        shares = _shares(values, factor, supply, sold)
    attributed = sum(share.litres for share in shares)
    return Attribution(Units(supply), shares, Units(sold - attributed))


def _shares(
    values: dict[str, Decimal], factor: Decimal, supply: int, sold: Units
) -> tuple[Share, ...]:
    found = []
    for batch_id, value in values.items():
        remaining = value * factor
        fraction = min(remaining / supply, Decimal(1)) if supply else Decimal(0)
        found.append(Share(batch_id, Units(int(remaining)), fraction, Units(int(fraction * sold))))
    return tuple(sorted(found, key=lambda share: (-share.remaining, share.batch_id)))
