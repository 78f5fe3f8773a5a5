"""The routers about who may do what, put together."""

from fastapi import APIRouter

from oracle_api.access.attempts import Attempts
from oracle_api.access.entrance import Entrance
from oracle_api.access.settings import AccessSettings
from oracle_api.accounts.endpoints import accounts_router
from oracle_api.accounts.service import AccountService
from oracle_api.database import Database
from oracle_api.times import Clock
from oracle_api.tokens.endpoints import tokens_router
from oracle_api.tokens.service import TokenService


def access_routers(
    settings: AccessSettings, database: Database, entrance: Entrance, clock: Clock
) -> list[APIRouter]:
    """The routers of tokens and accounts."""
    tokens = TokenService(
        database,
        passwords=entrance.passwords,
        tokens=entrance.tokens,
        attempts=Attempts(entrance.office, clock),
        office=entrance.office,
        clock=clock,
    )
    is_test = settings.api_key_kind == "test"
    accounts = AccountService(entrance.office, clock, is_test=is_test)
    return [
        tokens_router(tokens, entrance.keys),
        accounts_router(database, accounts, entrance.passwords, entrance.authenticator),
    ]
