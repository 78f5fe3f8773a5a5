"""The routes about the milk market."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from ledger.store.market import list_offers, list_purchases
from oracle_api.batches.endpoints import read_depths
from oracle_api.batches.requests import read_party, read_place, write_place
from oracle_api.database import Database
from oracle_api.market.documentation import OFFERS, PURCHASES
from oracle_api.market.resource import write_offer, write_purchase
from oracle_api.pages import MAX_CURSOR, cut_page, page_document, read_limit
from oracle_api.responses import json_of

OFFERS_PATH: Final = "/api/v1/market/offers"
PURCHASES_PATH: Final = "/api/v1/market/purchases"

Party = Annotated[str | None, Query(max_length=64)]
Limit = Annotated[str | None, Query(max_length=4)]
Before = Annotated[str | None, Query(max_length=MAX_CURSOR)]


def market_router(database: Database, *, chain_id: int) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(tags=["economy"])
    routes = MarketRoutes(database, chain_id)
    router.add_api_route(OFFERS_PATH, routes.offers, methods=["GET"], **OFFERS)
    router.add_api_route(PURCHASES_PATH, routes.purchases, methods=["GET"], **PURCHASES)
    return router


class MarketRoutes:
    """Reads only: what is told was proven by the indexer."""

    def __init__(self, database: Database, chain_id: int) -> None:
        self._database = database
        self._chain_id = chain_id

    async def offers(
        self, supplier: Party = None, limit: Limit = None, before: Before = None
    ) -> Response:
        """Offers, newest first, of one supplier or of all."""
        whose = read_party(supplier, param="supplier")
        most, place = read_limit(limit), read_place(before)
        async with self._database.reading() as connection:
            depths = await read_depths(connection, self._chain_id)
            found = await list_offers(
                connection, self._chain_id, supplier=whose, before=place, limit=most + 1
            )
        page, next_cursor = cut_page(found, most, write_place)
        return json_of(
            page_document([write_offer(item, depths) for item in page], next_cursor=next_cursor)
        )

    async def purchases(
        self,
        dairy: Party = None,
        supplier: Party = None,
        limit: Limit = None,
        before: Before = None,
    ) -> Response:
        """Purchases, newest first, of one dairy, one supplier, or of all."""
        buyer, seller = read_party(dairy, param="dairy"), read_party(supplier, param="supplier")
        most, place = read_limit(limit), read_place(before)
        async with self._database.reading() as connection:
            depths = await read_depths(connection, self._chain_id)
            found = await list_purchases(
                connection,
                self._chain_id,
                dairy=buyer,
                supplier=seller,
                before=place,
                limit=most + 1,
            )
        page, next_cursor = cut_page(found, most, write_place)
        return json_of(
            page_document([write_purchase(item, depths) for item in page], next_cursor=next_cursor)
        )
