"""A forecast is made once for each price, by one at a time, and says why where there is none."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from ledger.rate import FeedPrice
from oracle_api.prices import forecast
from oracle_api.prices.forecast import (
    MIN_DAYS,
    BacktestError,
    Forecast,
    MissingModelError,
    TooShortError,
    backtest,
    daily,
    damped_trend,
    seasonal_naive,
)
from oracle_api.prices.service import MAX_WAITING, Forecaster
from oracle_api.problems import CapabilityOffError, UnavailableError

DAY_SECONDS = 86_400
START = 1_775_779_200  # a midnight, UTC
ERROR = BacktestError(0.1, 1.0)
MADE = Forecast((), ERROR, ERROR, 40, 14)


def price(day: float, myr: float) -> FeedPrice:
    return FeedPrice(int(day * 10), int(myr * 10**8), START + int(day * DAY_SECONDS), int(day))


def prices(days: int) -> list[FeedPrice]:
    return [price(day, 7 + day / 100) for day in reversed(range(days))]


async def test_it_is_made_once_for_each_newest_price() -> None:
    asked = []

    def make(given: Sequence[FeedPrice]) -> Forecast:
        asked.append(given[0])
        return MADE

    forecaster = Forecaster(make)
    await asyncio.gather(*(forecaster.forecast(prices(30)) for _ in range(3)))
    await forecaster.forecast(prices(31))
    assert asked == [prices(30)[0], prices(31)[0]]


async def test_who_comes_while_others_wait_has_to_come_again() -> None:
    go = threading.Event()

    def make(_: Sequence[FeedPrice]) -> Forecast:
        go.wait(10)
        return MADE

    forecaster = Forecaster(make)
    waiting = [asyncio.create_task(forecaster.forecast(prices(30))) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError) as refusal:
        await forecaster.forecast(prices(30))
    assert refusal.value.code == "forecast_busy"
    go.set()
    assert await asyncio.gather(*waiting) == [MADE] * MAX_WAITING


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MissingModelError(), "forecast_off"),
        (TooShortError(), "forecast_history_short"),
        (TimeoutError(), "forecast_busy"),
    ],
)
async def test_without_one_the_reason_is_told(error: Exception, code: str) -> None:
    def make(_: Sequence[FeedPrice]) -> Forecast:
        raise error

    with pytest.raises((CapabilityOffError, UnavailableError)) as refusal:
        await Forecaster(make).forecast(prices(30))
    assert refusal.value.code == code


def test_days_have_their_last_price_and_gaps_the_day_before_s() -> None:
    given = [price(day, 7) for day in range(MIN_DAYS) if day != 5]
    last, values = daily([*given, price(MIN_DAYS - 0.5, 9), price(4.5, 8)])
    assert (len(values), values[4], values[5], values[-1]) == (MIN_DAYS, 8, 8, 9)
    assert last.isoformat() == "2026-05-07"
    with pytest.raises(TooShortError):
        daily(prices(MIN_DAYS - 1))
    with pytest.raises(TooShortError):
        daily([])


def test_the_baseline_repeats_the_week_and_is_judged_by_what_came() -> None:
    week = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert seasonal_naive([9.0, *week], 9) == [*week, 1.0, 2.0]
    error, days = backtest(week * 8, 7, seasonal_naive)
    assert (error.mean_absolute_myr, error.mean_absolute_percent, days) == (0, 0, 28)
    rising = [float(value) for value in range(1, 50)]
    assert backtest(rising, 7, seasonal_naive)[0].mean_absolute_myr == 7


def test_a_price_that_never_moved_needs_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("statsmodels")
    assert damped_trend()([7.0] * 30, 2) == ([7.0, 7.0],) * 3

    def missing(_: str) -> None:
        raise ImportError

    monkeypatch.setattr(forecast.importlib, "import_module", missing)
    with pytest.raises(MissingModelError):
        damped_trend()
