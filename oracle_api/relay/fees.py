"""What a relayed transaction offers for its gas, and what it offers when it got stuck."""

from dataclasses import dataclass

from oracle_api.problems import UnavailableError

# The base fee rises by at most an eighth a block: twice it lasts six full blocks (EIP-1559).
BASE_FEE_MARGIN = 2
# Nodes take a replacement only for a tenth more, some for an eighth; both fees have to rise.
BUMP_NUMERATOR, BUMP_DENOMINATOR = 9, 8


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas: at the most altogether, and of that for whoever makes the block."""

    max_fee_wei: int
    tip_wei: int


def fees_for(base_fee_wei: int, tip_wei: int, *, cap_wei: int) -> Fees:
    """What to offer now, never more than `cap_wei`.

    Raises:
        UnavailableError: `gas_too_dear`: not even the next block could be paid.
    """
    if base_fee_wei + tip_wei > cap_wei:
        raise UnavailableError("gas_too_dear", "gas costs more than this oracle may pay now")
    return Fees(min(base_fee_wei * BASE_FEE_MARGIN + tip_wei, cap_wei), tip_wei)


def replacement_fees(
    offered: Fees, base_fee_wei: int, tip_wei: int, *, cap_wei: int
) -> Fees | None:
    """What to offer instead of `offered`; None where the cap leaves no room for a replacement."""
    tip = max(_bumped(offered.tip_wei), tip_wei)
    needed = max(_bumped(offered.max_fee_wei), tip)
    if needed > cap_wei:
        return None
    wanted = max(needed, base_fee_wei * BASE_FEE_MARGIN + tip)
    return Fees(min(wanted, cap_wei), tip)


def _bumped(wei: int) -> int:
    return wei * BUMP_NUMERATOR // BUMP_DENOMINATOR + 1
