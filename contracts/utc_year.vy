# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title UTC year
@custom:contract-name utc_year
@license MIT
@notice The calendar year of a Unix time, in UTC like every time of this system.
@dev A module. Days are counted from 1 March of year 0, so that a leap day is the last of its year;
     an era is 400 years of the Gregorian calendar, always 146,097 days.
"""

_DAYS_BEFORE_UNIX_EPOCH: constant(uint256) = 719_468
_DAYS_IN_ERA: constant(uint256) = 146_097


@internal
@pure
def _year_of(time: uint256) -> uint256:
    days: uint256 = time // 86_400 + _DAYS_BEFORE_UNIX_EPOCH
    era: uint256 = days // _DAYS_IN_ERA
    day_of_era: uint256 = days % _DAYS_IN_ERA
    year_of_era: uint256 = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year: uint256 = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    year: uint256 = era * 400 + year_of_era
    # January and February (day 306 from March on) belong to the next calendar year.
    if day_of_year >= 306:
        year += 1
    return year
