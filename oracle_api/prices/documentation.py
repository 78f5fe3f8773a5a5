"""How the routes about prices look in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    json_response,
    off_response,
    page_schema,
    problem_response,
)

_TEXT: Final[dict[str, Any]] = {"type": "string"}
PRICE_EXAMPLE: Final[dict[str, Any]] = {
    "roundId": "42",
    "priceMyr": "7.25",
    "updatedAt": "2026-04-10T07:30:00Z",
    "finality": "finalized",
    "blockNumber": 4180,
}
_PRICE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": list(PRICE_EXAMPLE),
    "properties": dict.fromkeys(PRICE_EXAMPLE, _TEXT) | {"blockNumber": {"type": "integer"}},
}
FORECAST_EXAMPLE: Final[dict[str, Any]] = {
    "object": "forecast",
    "model": "ets_damped_trend",
    "baseline": "seasonal_naive",
    "seasonDays": 7,
    "confidence": "0.8",
    "historyDays": 180,
    "points": [
        {
            "date": "2026-04-11",
            "priceMyr": "7.2531",
            "lowMyr": "7.1904",
            "highMyr": "7.3164",
            "baselineMyr": "7.2500",
        }
    ],
    "backtest": {
        "days": 28,
        "model": {"meanAbsoluteErrorMyr": "0.0312", "meanAbsolutePercentageError": "0.43"},
        "baseline": {"meanAbsoluteErrorMyr": "0.0420", "meanAbsolutePercentageError": "0.58"},
    },
}


def _route(summary: str, responses: dict[int, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "response_class": Response,
        "responses": responses | {500: INTERNAL},
    }


HISTORY: Final = _route(
    "The all-milk price",
    {
        200: json_response(
            "A page of published prices, newest first",
            page_schema(_PRICE_SCHEMA),
            {"data": [PRICE_EXAMPLE], "hasMore": True, "next": "rnd_42"},
        ),
        400: problem_response("A parameter is malformed", 400, "before_invalid", "before"),
        503: UNAVAILABLE,
    },
)
FORECAST: Final = _route(
    "A forecast of the all-milk price",
    {
        200: json_response(
            "Days to come, with the band into which four of five should fall",
            {
                "type": "object",
                "required": list(FORECAST_EXAMPLE),
                "properties": {
                    "points": {"type": "array"},
                    "backtest": {"type": "object"},
                    "seasonDays": {"type": "integer"},
                    "historyDays": {"type": "integer"},
                },
            },
            FORECAST_EXAMPLE,
        ),
        400: problem_response("The days are malformed", 400, "days_invalid", "days"),
        **off_response("forecast", "This oracle makes no forecasts"),
        503: problem_response("There is no forecast", 503, "forecast_history_short", None),
    },
)
