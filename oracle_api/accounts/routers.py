"""The routers about who may do what, put together."""

from fastapi import APIRouter

from oracle_api.access.attempts import Attempts
from oracle_api.access.entrance import Entrance
from oracle_api.accounts.endpoints import accounts_router
from oracle_api.accounts.service import AccountService
from oracle_api.budgets.spending import Spender
from oracle_api.database import Database
from oracle_api.settings import Settings
from oracle_api.times import Clock
from oracle_api.tokens.endpoints import tokens_router
from oracle_api.tokens.service import TokenService
from oracle_api.wallets.endpoints import wallets_router
from oracle_api.wallets.service import WalletService
from oracle_api.wallets.vault import WalletVault


def access_routers(
    settings: Settings, database: Database, entrance: Entrance, spender: Spender, clock: Clock
) -> list[APIRouter]:
    """The routers of tokens, accounts and wallets.

    Raises:
        RejectedError: `setting_wrong`, about the file with the keys of wallets.
    """
    tokens = TokenService(
        database,
        passwords=entrance.passwords,
        tokens=entrance.tokens,
        attempts=Attempts(entrance.office, spender),
        office=entrance.office,
        clock=clock,
    )
    is_test = settings.api_key_kind == "test"
    accounts = AccountService(entrance.office, clock, is_test=is_test)
    keys_file = settings.wallet_keys_file
    vault = None if keys_file is None else WalletVault.from_file(keys_file)
    wallets = WalletService(vault, entrance.office, clock, chain_id=settings.chain_id)
    return [
        tokens_router(tokens, entrance.keys),
        accounts_router(database, accounts, entrance.passwords, entrance.authenticator),
        wallets_router(database, wallets),
    ]
