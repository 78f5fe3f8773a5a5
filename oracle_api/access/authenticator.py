"""Turns credentials into the account behind them, mostly from memory."""

import hashlib
from typing import Final

from ledger.store.accounts import StoredAccount, read_account
from ledger.store.api_keys import GoodApiKey, read_good_api_key
from oracle_api.access.access_tokens import AccessTokens, TokenInvalidError, VerifiedToken
from oracle_api.access.api_keys import MAX_KEY_CHARACTERS, PREFIX, api_key_digest, is_of_kind
from oracle_api.access.bounded_cache import BoundedCache
from oracle_api.access.office import Office
from oracle_api.access.principal import Principal, Role
from oracle_api.database import Database
from oracle_api.problems import DeniedError
from oracle_api.times import Clock, to_datetime

MEMORY_SECONDS: Final = 10
"""How long we rely on what we know of a credential: an account that is disabled, or a key that is
revoked, at another replica can be used for so long at this one. Here it ends at once."""

MAX_REMEMBERED: Final = 20_000


class Authenticator:
    """Checks access tokens and API keys; one per process."""

    def __init__(
        self,
        database: Database,
        tokens: AccessTokens,
        office: Office,
        clock: Clock,
        *,
        is_test: bool,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._office = office
        self._clock = clock
        self._is_test = is_test
        self._known = BoundedCache[bytes, Principal](MAX_REMEMBERED)
        self._refused = BoundedCache[bytes, str](MAX_REMEMBERED)

    def forget(self) -> None:
        """Ask the database anew about everybody: something was just taken away from somebody."""
        self._known = BoundedCache(MAX_REMEMBERED)

    async def principal_of(self, credential: bytes) -> Principal:
        """Whose access token or API key this is.

        Raises:
            DeniedError: `token_invalid`, `token_expired` or `api_key_invalid`.
            UnavailableError: the database is away.
        """
        # Never the credential itself: memory is dumped, and a hash is worth nothing.
        digest, now = hashlib.sha256(credential).digest(), self._clock()
        # This one, also when `forget` puts a new one in its place while the database is asked.
        memory = self._known
        if (known := memory.get(digest, now=now)) is not None:
            return known
        if credential.startswith(PREFIX):
            principal = await self._of_api_key(credential, digest, now)
        else:
            principal = await self._of_token(credential, now)
        until = now + MEMORY_SECONDS
        if principal.expires_at is not None:
            until = min(until, principal.expires_at)
        memory.put(digest, principal, until=until)
        return principal

    async def _of_token(self, credential: bytes, now: float) -> Principal:
        try:
            token = self._tokens.verify(credential)
        except TokenInvalidError as error:
            raise self._bad_token(is_expired=error.is_expired) from None
        async with self._database.reading() as connection:
            account = await read_account(connection, token.account_id)
        if account is None or not _is_alive(token, account):
            raise self._bad_token(is_expired=token.expires_at <= now)
        return Principal(
            account.id,
            frozenset(Role(role) for role in account.roles),
            account.store_id,
            is_test=self._is_test,
            expires_at=token.expires_at,
        )

    async def _of_api_key(self, credential: bytes, digest: bytes, now: float) -> Principal:
        if not is_of_kind(credential, is_test=self._is_test):
            kind = "test" if self._is_test else "live"
            message = f"this oracle takes keys that begin with bck_{kind}_"
            raise self._office.invalid("api_key_invalid", message)
        key: GoodApiKey | None = None
        # A key that is not, asked about again and again, must not reach the database each time.
        if len(credential) <= MAX_KEY_CHARACTERS and self._refused.get(digest, now=now) is None:
            async with self._database.writing(needs_ledger=False) as connection:
                key = await read_good_api_key(
                    connection, api_key_digest(credential), now=to_datetime(now)
                )
        if key is None:
            self._refused.put(digest, "", until=now + MEMORY_SECONDS)
            message = "this API key is unknown, revoked or expired, or its account is disabled"
            raise self._office.invalid("api_key_invalid", message)
        return Principal(
            key.account_id,
            frozenset(Role(role) for role in key.roles),
            key.store_id,
            frozenset(key.scopes),
            is_test=key.is_test,
            expires_at=key.expires_at.timestamp(),
        )

    def _bad_token(self, *, is_expired: bool) -> DeniedError:
        if is_expired:
            message = "this access token's time is over: renew it, or sign in again"
            return self._office.invalid("token_expired", message)
        message = "this access token is not good: sign in again"
        return self._office.invalid("token_invalid", message)


def _is_alive(token: VerifiedToken, account: StoredAccount) -> bool:
    # Milliseconds, as the token has them.
    valid_from = int(account.tokens_valid_from.timestamp() * 1000) / 1000
    return account.is_enabled and token.issued_at >= valid_from
