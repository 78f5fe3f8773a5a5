"""Makes forecasts in a process of their own, one at a time, and keeps the newest."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from ledger.rate import FeedPrice
from oracle_api.prices.forecast import (
    MIN_DAYS,
    Forecast,
    MissingModelError,
    TooShortError,
    make_forecast,
)
from oracle_api.problems import UnavailableError

MAX_KEPT: Final = 64
MAX_WAITING: Final = 4
"""Forecasts that may wait for the one that is being made; who comes then has to come again."""

MAKING_SECONDS: Final = 60.0

Key = tuple[int, int, int]
Make = Callable[[Sequence[FeedPrice], int], Forecast]


def make_apart(prices: Sequence[FeedPrice], horizon_days: int) -> Forecast:
    """Forecast in a process that lives for just this: a fit would hold up everybody's answers.

    Raises:
        TooShortError, MissingModelError, TimeoutError: as they say.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        making = pool.submit(make_forecast, prices, horizon_days=horizon_days)
        return making.result(timeout=MAKING_SECONDS)


class Forecaster:
    """One per oracle process."""

    def __init__(self, make: Make = make_apart) -> None:
        self._make = make
        self._kept: OrderedDict[Key, Forecast] = OrderedDict()
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def forecast(self, prices: Sequence[FeedPrice], *, horizon_days: int) -> Forecast:
        """The forecast from these prices, newest first; the same question is answered once.

        Raises:
            UnavailableError: `forecast_not_installed`, `forecast_history_short` or
                `forecast_busy`.
        """
        newest = prices[0] if prices else None
        key = (
            0 if newest is None else newest.round_id,
            0 if newest is None else newest.price,
            horizon_days,
        )
        found = self._kept.get(key)
        if found is not None:
            return found
        if self._waiting >= MAX_WAITING:
            raise UnavailableError("forecast_busy", "other forecasts are being made; try again")
        self._waiting += 1
        try:
            async with self._lock:
                return self._kept.get(key) or await self._made(key, prices, horizon_days)
        finally:
            self._waiting -= 1

    async def _made(self, key: Key, prices: Sequence[FeedPrice], horizon_days: int) -> Forecast:
        try:
            made = await asyncio.to_thread(self._make, prices, horizon_days)
        except MissingModelError as error:
            raise UnavailableError(
                "forecast_not_installed",
                "this oracle is installed without the extra: pip install 'billcoin-pay[forecast]'",
            ) from error
        except TooShortError as error:
            raise UnavailableError(
                "forecast_history_short",
                f"a forecast needs prices over at least {MIN_DAYS} days",
            ) from error
        except TimeoutError as error:
            raise UnavailableError("forecast_busy", "the forecast takes too long now") from error
        self._kept[key] = made
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return made
