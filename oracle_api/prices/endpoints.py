"""The routes about the all-milk price."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from ledger.store.prices import list_prices
from oracle_api.batches.endpoints import read_depths
from oracle_api.database import Database
from oracle_api.pages import MAX_CURSOR, cut_page, page_document, read_limit
from oracle_api.prices.documentation import FORECAST, HISTORY
from oracle_api.prices.requests import read_horizon, read_round, write_round
from oracle_api.prices.resource import write_forecast, write_price
from oracle_api.prices.service import Forecaster
from oracle_api.responses import json_of

HISTORY_PATH: Final = "/api/v1/prices/milk"
FORECAST_PATH: Final = "/api/v1/prices/milk/forecast"
MAX_PRICES: Final = 5_000
"""The newest rounds that a forecast looks at."""


def prices_router(database: Database, forecaster: Forecaster, *, chain_id: int) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(tags=["economy"])
    routes = PriceRoutes(database, forecaster, chain_id)
    router.add_api_route(HISTORY_PATH, routes.history, methods=["GET"], **HISTORY)
    router.add_api_route(FORECAST_PATH, routes.forecast, methods=["GET"], **FORECAST)
    return router


class PriceRoutes:
    """Reads what the indexer has proven of the price feed."""

    def __init__(self, database: Database, forecaster: Forecaster, chain_id: int) -> None:
        self._database = database
        self._forecaster = forecaster
        self._chain_id = chain_id

    async def history(
        self,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """Published prices, newest first."""
        most, place = read_limit(limit), read_round(before)
        async with self._database.reading() as connection:
            depths = await read_depths(connection, self._chain_id)
            found = await list_prices(
                connection, self._chain_id, before_round=place, limit=most + 1
            )
        page, next_cursor = cut_page(found, most, lambda one: write_round(one.round_id))
        return json_of(
            page_document([write_price(item, depths) for item in page], next_cursor=next_cursor)
        )

    async def forecast(self, days: Annotated[str | None, Query(max_length=4)] = None) -> Response:
        """The days to come, with a band, beside the naive baseline."""
        horizon_days = read_horizon(days)
        async with self._database.reading() as connection:
            prices = await list_prices(
                connection, self._chain_id, before_round=None, limit=MAX_PRICES
            )
        found = await self._forecaster.forecast(prices)
        return json_of(write_forecast(found, horizon_days=horizon_days))
