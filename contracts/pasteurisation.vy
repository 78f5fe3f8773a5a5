# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Pasteurisation
@custom:contract-name pasteurisation
@license MIT
@notice The table of standards by which milk counts as pasteurised: hot enough for long enough, for
        example 72 degrees for 15 seconds (HTST) or 63 degrees for 30 minutes (LTLT).
@dev A module. Temperatures are thousandths of a degree Celsius, holding times milliseconds.
"""

from . import timelock


struct Standard:
    min_temperature: int256
    min_holding_ms: uint256


event StandardsSet:
    standards: DynArray[Standard, 8]


# No country pasteurises below 60 degrees; nothing that is hotter than 160 is a pasteuriser's reading.
_LOWEST_STANDARD: constant(int256) = 60_000
_HIGHEST_READING: constant(int256) = 160_000

_standards: DynArray[Standard, 8]


@deploy
def __init__(standards: DynArray[Standard, 8]):
    """
    @notice Sets the first table.
    @param standards One to eight; meeting any one is enough.
    """
    self._set_standards(standards)


@external
def set_standards(standards: DynArray[Standard, 8]):
    """
    @notice Replaces the table; only as a queued change.
    @param standards One to eight; meeting any one is enough.
    """
    timelock._check_delayed()
    self._set_standards(standards)


@external
@view
def standards() -> DynArray[Standard, 8]:
    """
    @notice The table in force.
    @return DynArray Minimum temperature and holding time of each standard.
    """
    return self._standards


@internal
def _set_standards(standards: DynArray[Standard, 8]):
    assert len(standards) > 0, "pasteurisation: no standard"
    for standard: Standard in standards:
        assert standard.min_temperature >= _LOWEST_STANDARD, "pasteurisation: standard is too cold"
        assert standard.min_temperature <= _HIGHEST_READING, "pasteurisation: standard is too hot"
        assert standard.min_holding_ms > 0, "pasteurisation: standard holds for no time"
    self._standards = standards
    log StandardsSet(standards=standards)


@internal
@view
def _check(temperature: int256, holding_ms: uint256):
    assert temperature <= _HIGHEST_READING, "pasteurisation: temperature is implausible"
    for standard: Standard in self._standards:
        if temperature >= standard.min_temperature and holding_ms >= standard.min_holding_ms:
            return
    raise "pasteurisation: batch is not pasteurised"
