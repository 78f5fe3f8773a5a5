"""Puts together what knows accounts: keys, tokens, credentials and the gate."""

from dataclasses import dataclass

import structlog

from oracle_api.access.access_tokens import AccessTokens
from oracle_api.access.authenticator import Authenticator
from oracle_api.access.gate import Gate
from oracle_api.access.office import Office, office_of
from oracle_api.access.passwords import Passwords
from oracle_api.access.route_map import RouteMap
from oracle_api.access.settings import AccessSettings
from oracle_api.access.token_keys import TokenKeys, load_token_keys
from oracle_api.database import Database
from oracle_api.times import Clock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entrance:
    """One per process."""

    office: Office
    keys: TokenKeys
    tokens: AccessTokens
    authenticator: Authenticator
    gate: Gate
    passwords: Passwords


def build_entrance(settings: AccessSettings, database: Database, clock: Clock) -> Entrance:
    """The entrance that the settings ask for.

    Raises:
        RejectedError: `setting_wrong`, about the file with the keys.
    """
    office = office_of(settings)
    keys = load_token_keys(settings.token_keys_file)
    if settings.access == "accounts" and settings.token_keys_file is None:
        log.warning(
            "access tokens are signed with a key that ends with this process",
            setting="BILLCOIN_TOKEN_KEYS_FILE",
        )
    tokens = AccessTokens(keys, issuer=settings.token_issuer, clock=clock)
    is_test = settings.api_key_kind == "test"
    authenticator = Authenticator(database, tokens, office, clock, is_test=is_test)
    gate = Gate(settings.access, authenticator, office, RouteMap())
    return Entrance(office, keys, tokens, authenticator, gate, Passwords(office))
