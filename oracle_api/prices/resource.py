"""Prices and forecasts as clients see them: ringgit per litre, as decimals in strings."""

from decimal import Decimal
from typing import Any

from ledger.order import Depths
from ledger.rate import FEED_DECIMALS, FeedPrice
from oracle_api.prices.forecast import CONFIDENCE, SEASON_DAYS, BacktestError, Forecast
from oracle_api.times import rfc3339_seconds


def write_price(price: FeedPrice, depths: Depths) -> dict[str, Any]:
    """A published price."""
    exact = Decimal(price.price).scaleb(-FEED_DECIMALS).normalize()
    return {
        "roundId": str(price.round_id),
        "priceMyr": format(exact, "f"),
        "updatedAt": rfc3339_seconds(price.updated_at),
        "finality": str(depths.finality(price.block_number)),
        "blockNumber": price.block_number,
    }


def write_forecast(found: Forecast, *, horizon_days: int) -> dict[str, Any]:
    """So many days of a forecast, with band and baseline, and how both would have done before."""
    return {
        "object": "forecast",
        "model": "ets_damped_trend",
        "baseline": "seasonal_naive",
        "seasonDays": SEASON_DAYS,
        "confidence": format(CONFIDENCE, "g"),
        "historyDays": found.history_days,
        "points": [
            {
                "date": point.day.isoformat(),
                "priceMyr": _myr(point.price),
                "lowMyr": _myr(point.low),
                "highMyr": _myr(point.high),
                "baselineMyr": _myr(point.naive),
            }
            for point in found.points[:horizon_days]
        ],
        "backtest": {
            "days": found.tested_days,
            "model": _error(found.model_error),
            "baseline": _error(found.naive_error),
        },
    }


def _error(error: BacktestError) -> dict[str, str]:
    return {
        "meanAbsoluteErrorMyr": _myr(error.mean_absolute_myr),
        "meanAbsolutePercentageError": f"{error.mean_absolute_percent:.2f}",
    }


def _myr(value: float) -> str:
    return f"{value:.4f}"
