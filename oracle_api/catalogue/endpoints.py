"""`GET /api/v1/catalogue`: the milks with their prices, as the till's buttons show them."""

import hashlib
from typing import Final

import orjson
from fastapi import APIRouter, Request, Response

from ledger.units import format_myr
from oracle_api.catalogue.documentation import CATALOGUE
from oracle_api.settings import Settings

PATH: Final = "/api/v1/catalogue"


def catalogue_router(settings: Settings) -> APIRouter:
    """The route; settings never change in a process, so its answer is written once."""
    body = orjson.dumps(
        {
            "data": [
                {
                    "sku": product.sku,
                    "name": product.name,
                    "priceMyr": format_myr(product.price_myr),
                }
                for product in settings.catalogue
            ]
        }
    )
    headers = {"cache-control": "no-cache", "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}
    router = APIRouter(tags=["catalogue"])

    @router.get(PATH, summary="What the store sells", responses=CATALOGUE)
    async def read_catalogue(request: Request) -> Response:
        """Every product by its `sku`, which is what `POST /api/v1/orders` takes."""
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    return router
