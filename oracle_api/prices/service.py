"""Makes forecasts in a process of their own, one at a time, and keeps the newest."""

import asyncio
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
    is_installed,
    make_forecast,
)
from oracle_api.problems import CapabilityOffError, UnavailableError

MAX_WAITING: Final = 4
"""Forecasts that may wait for the one that is being made; who comes then has to come again."""

MAKING_SECONDS: Final = 60.0

Make = Callable[[Sequence[FeedPrice]], Forecast]


def make_apart(prices: Sequence[FeedPrice]) -> Forecast:
    """Forecast in a process that lives for just this: a fit would hold up everybody's answers.

    Raises:
        TooShortError, MissingModelError, TimeoutError: as they say.
    """
    if not is_installed():
        raise MissingModelError
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        making = pool.submit(make_forecast, prices)
        return making.result(timeout=MAKING_SECONDS)


class Forecaster:
    """One per oracle process."""

    def __init__(self, make: Make = make_apart) -> None:
        self._make = make
        self._newest: FeedPrice | None = None
        self._kept: Forecast | None = None
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def forecast(self, prices: Sequence[FeedPrice]) -> Forecast:
        """The forecast from these prices, newest first; made once for each newest price.

        Raises:
            CapabilityOffError: `forecast_off`, when the extra is not installed.
            UnavailableError: `forecast_history_short` or `forecast_busy`.
        """
        newest = prices[0] if prices else None
        if self._kept is not None and self._newest == newest:
            return self._kept
        if self._waiting >= MAX_WAITING:
            raise UnavailableError("forecast_busy", "a forecast is being made; try again")
        self._waiting += 1
        try:
            async with self._lock:
                if self._kept is None or self._newest != newest:
                    self._kept, self._newest = await self._made(prices), newest
                return self._kept
        finally:
            self._waiting -= 1

    async def _made(self, prices: Sequence[FeedPrice]) -> Forecast:
        try:
            return await asyncio.to_thread(self._make, prices)
        except MissingModelError as error:
            raise CapabilityOffError("forecast", "this oracle makes no forecasts") from error
        except TooShortError as error:
            raise UnavailableError(
                "forecast_history_short",
                f"a forecast needs prices over at least {MIN_DAYS} days",
            ) from error
        except TimeoutError as error:
            raise UnavailableError("forecast_busy", "the forecast takes too long now") from error
