"""The till's buttons come from the store's settings."""

import json

from fastapi import FastAPI
from test_till_routes import ask_application

from ledger.units import Sen
from oracle_api.catalogue.endpoints import PATH, catalogue_router
from oracle_api.settings import Product, Settings

ADDRESS = "0x" + "11" * 20


def application() -> FastAPI:
    products = (
        Product(sku="fresh-250ml", name="Fresh milk 250 ml", price_myr=Sen(180)),
        Product(sku="fresh-1l", name="Fresh milk 1 l", price_myr=Sen(700)),
    )
    settings = Settings.model_validate(
        {
            "DATABASE_URL": "postgresql://127.0.0.1/none",
            "chain_id": 31337,
            "token_address": ADDRESS,
            "vault_factory_address": ADDRESS,
            "vault_implementation_address": ADDRESS,
            "treasury_address": ADDRESS,
            "catalogue": products,
        }
    )
    api = FastAPI()
    api.include_router(catalogue_router(settings))
    return api


async def test_every_product_has_its_price_in_ringgit() -> None:
    answer = await ask_application(application(), PATH)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {
        "data": [
            {"sku": "fresh-250ml", "name": "Fresh milk 250 ml", "priceMyr": "1.80"},
            {"sku": "fresh-1l", "name": "Fresh milk 1 l", "priceMyr": "7.00"},
        ]
    }


async def test_a_till_that_has_it_is_told_so() -> None:
    tag = (await ask_application(application(), PATH)).headers["etag"]
    again = await ask_application(application(), PATH, headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
