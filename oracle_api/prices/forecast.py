"""A forecast of the all-milk price with its uncertainty, beside a naive one, both tested back."""

import importlib
import importlib.util
import math
import statistics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from ledger.rate import FEED_DECIMALS, FeedPrice

SEASON_DAYS: Final = 7
MIN_DAYS: Final = 4 * SEASON_DAYS
"""Less history says nothing about a week's rhythm, and leaves nothing to test on."""
MAX_DAYS: Final = 730
MAX_HORIZON_DAYS: Final = 60
CONFIDENCE: Final = 0.8
"""Four of five days should fall into the band."""
_BACKTESTS: Final = 4


class TooShortError(Exception):
    """There is not history enough for a forecast."""


class MissingModelError(Exception):
    """The optional extra is not installed."""


@dataclass(frozen=True, slots=True)
class Point:
    """A day to come: the middle and the band, ringgit per litre."""

    day: date
    price: float
    low: float
    high: float
    naive: float


@dataclass(frozen=True, slots=True)
class BacktestError:
    """How far forecasts of the past were off: mean absolute error in ringgit, and in percent."""

    mean_absolute_myr: float
    mean_absolute_percent: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is told; the errors are over the same past days, so that they can be compared."""

    points: tuple[Point, ...]
    model_error: BacktestError
    naive_error: BacktestError
    history_days: int
    tested_days: int


_LIBRARY: Final = "statsmodels"

Model = Callable[[Sequence[float], int], tuple[list[float], list[float], list[float]]]
"""From daily prices and a number of days to middles, lower and upper bounds."""


def is_installed() -> bool:
    """Whether the optional extra is there; nothing of it is loaded to find that out."""
    return importlib.util.find_spec(_LIBRARY) is not None


def daily(prices: Sequence[FeedPrice]) -> tuple[date, list[float]]:
    """The last price of each UTC day from the oldest on; a day without one has the day before's.

    Raises:
        TooShortError: there are fewer than `MIN_DAYS` days.
    """
    by_day: dict[date, float] = {}
    for item in sorted(prices, key=lambda price: price.updated_at):
        if item.rate is not None:
            day = datetime.fromtimestamp(item.updated_at, UTC).date()
            by_day[day] = item.price / 10**FEED_DECIMALS
    if not by_day:
        raise TooShortError
    first, last = min(by_day), max(by_day)
    first = max(first, last - timedelta(days=MAX_DAYS - 1))
    values, price = [], next(by_day[day] for day in sorted(by_day) if day >= first)
    for offset in range((last - first).days + 1):
        price = by_day.get(first + timedelta(days=offset), price)
        values.append(price)
    if len(values) < MIN_DAYS:
        raise TooShortError
    return last, values


def make_forecast(prices: Sequence[FeedPrice]) -> Forecast:
    """Forecast as many days as anybody may ask for; pure computation, a second or so of it.

    Raises:
        TooShortError, MissingModelError: as they say.
    """
    last, values = daily(prices)
    model = damped_trend()
    middle, low, high = model(values, MAX_HORIZON_DAYS)
    naive = seasonal_naive(values, MAX_HORIZON_DAYS)
    days = [last + timedelta(days=offset + 1) for offset in range(MAX_HORIZON_DAYS)]
    model_error, tested = backtest(values, SEASON_DAYS, lambda past, count: model(past, count)[0])
    naive_error, _ = backtest(values, SEASON_DAYS, seasonal_naive)
    points = tuple(map(Point, days, middle, low, high, naive))
    return Forecast(points, model_error, naive_error, len(values), tested)


def seasonal_naive(values: Sequence[float], count: int) -> list[float]:
    """What the same weekday had last: the baseline that a model has to beat."""
    season = values[-SEASON_DAYS:]
    return [season[place % SEASON_DAYS] for place in range(count)]


def backtest(
    values: Sequence[float], horizon: int, forecast: Callable[[Sequence[float], int], list[float]]
) -> tuple[BacktestError, int]:
    """Forecast from several moments of the past and compare with what came; and over how many days.

    Each time only what was known then is given.
    """
    off, percent = [], []
    for back in range(_BACKTESTS, 0, -1):
        split = len(values) - back * horizon
        if split < MIN_DAYS - SEASON_DAYS:
            continue
        came = values[split : split + horizon]
        for told, truth in zip(forecast(values[:split], horizon), came, strict=True):
            off.append(abs(told - truth))
            percent.append(100 * abs(told - truth) / truth)
    return BacktestError(statistics.fmean(off), statistics.fmean(percent)), len(off)


def damped_trend() -> Model:
    """Exponential smoothing with a trend that fades, of logarithms, so that no price is negative.

    Raises:
        MissingModelError: the extra `forecast` is not installed.
    """
    try:
        module = importlib.import_module(f"{_LIBRARY}.tsa.exponential_smoothing.ets")
    except ImportError as error:
        raise MissingModelError from error
    ets: Any = module.ETSModel

    def run(values: Sequence[float], count: int) -> tuple[list[float], list[float], list[float]]:
        if max(values) == min(values):
            # Nothing ever moved: no model can be fitted to that, and none is needed.
            flat = [values[-1]] * count
            return flat, flat, flat
        numpy = importlib.import_module("numpy")
        series = importlib.import_module("pandas").Series
        with warnings.catch_warnings():
            # A fit that has not quite converged is told by its backtest's error.
            warnings.simplefilter("ignore")
            logs = numpy.log(numpy.asarray(values, dtype=float))
            fitted = ets(series(logs), error="add", trend="add", damped_trend=True).fit(disp=False)
            told = fitted.get_prediction(start=len(values), end=len(values) + count - 1)
            bounds = told.pred_int(alpha=1 - CONFIDENCE)
        bounds = numpy.asarray(bounds)
        return (
            [math.exp(value) for value in numpy.asarray(told.predicted_mean)],
            [math.exp(value) for value in bounds[:, 0]],
            [math.exp(value) for value in bounds[:, 1]],
        )

    return run
