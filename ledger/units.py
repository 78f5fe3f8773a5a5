"""Amounts: whole base units inside, strict decimal strings at the edge, never a float."""

import re
from functools import lru_cache
from typing import NewType

from ledger.errors import RejectedError

Units = NewType("Units", int)
"""BILL in base units; 10**18 units are 1 BILL, which is 1 litre of pasteurised milk."""

Sen = NewType("Sen", int)
"""Malaysian ringgit in sen; 100 sen are RM 1."""

BILL_DECIMALS = 18
MYR_DECIMALS = 2
UINT256_MAX = 2**256 - 1

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,77})(?:\.([0-9]{1,18}))?", re.ASCII)


def parse_decimal(text: str, *, decimals: int, param: str) -> int:
    """Read a plain decimal (`1`, `1.80`) into whole base units.

    No sign, exponent, blank, leading zero, NaN or thousands separator: what two programs could
    read differently is refused.

    Raises:
        RejectedError: `amount_invalid` when the text is not such a decimal, has more than
            `decimals` decimals, or does not fit a uint256.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise RejectedError(
            "amount_invalid", f"{param} must be a plain decimal such as 1.80", param=param
        )
    whole, fraction = match.group(1), match.group(2) or ""
    if len(fraction) > decimals:
        raise RejectedError(
            "amount_invalid", f"{param} has more than {decimals} decimals", param=param
        )
    scale: int = 10**decimals
    units = int(whole) * scale + int(fraction.ljust(decimals, "0") or "0")
    if units > UINT256_MAX:
        raise RejectedError("amount_invalid", f"{param} does not fit a uint256", param=param)
    return units


@lru_cache(maxsize=4096)  # prices repeat, and a block may tell of thousands
def format_decimal(units: int, *, decimals: int, min_decimals: int = 0) -> str:
    """Write whole base units as the shortest plain decimal with at least `min_decimals`."""
    whole, fraction = divmod(units, 10**decimals)
    digits = str(fraction).zfill(decimals).rstrip("0").ljust(min_decimals, "0")
    return f"{whole}.{digits}" if digits else str(whole)


def parse_bill(text: str, *, param: str = "amount") -> Units:
    """Read a decimal amount of BILL; see `parse_decimal`."""
    return Units(parse_decimal(text, decimals=BILL_DECIMALS, param=param))


def format_bill(units: Units) -> str:
    """Write base units as BILL, shortest form."""
    return format_decimal(units, decimals=BILL_DECIMALS)


def parse_myr(text: str, *, param: str = "amount") -> Sen:
    """Read a decimal amount of ringgit; see `parse_decimal`."""
    return Sen(parse_decimal(text, decimals=MYR_DECIMALS, param=param))


def format_myr(sen: Sen) -> str:
    """Write sen as ringgit with two decimals."""
    return format_decimal(sen, decimals=MYR_DECIMALS, min_decimals=MYR_DECIMALS)
