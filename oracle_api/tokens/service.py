"""Signs in and renews, with refresh tokens that are each used once (RFC 9700, section 4.14)."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from ledger.ids import sortable_id
from ledger.store.accounts import (
    StoredAccount,
    lock_account,
    read_account,
    read_account_by_name,
    renew_hash,
)
from ledger.store.actor import Actor
from ledger.store.pool import Connection
from ledger.store.sessions import (
    StoredRefreshToken,
    insert_refresh_token,
    insert_session,
    lock_refresh_token,
    mark_used,
    revoke_session,
)
from oracle_api.access.access_tokens import AccessTokens
from oracle_api.access.attempts import Attempts
from oracle_api.access.office import Office
from oracle_api.access.passwords import Passwords
from oracle_api.access.principal import Role
from oracle_api.accounts.requests import is_account_name
from oracle_api.database import Database
from oracle_api.problems import DeniedError
from oracle_api.times import Clock, to_datetime

SESSION_DAYS: Final = 30
"""After so long everybody gives their password again."""

GRACE_SECONDS: Final = 10
"""For so long a refresh token that was just used still gives a new one.

Two tabs that wake up together, or an answer that was lost on the way, must not end a till's
session. Later, a used token that comes again is in two hands, and the session ends for both.
"""

REFRESH_TOKEN_BYTES: Final = 32

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Granted:
    """What a successful sign-in or renewal gives; `session_seconds` until the session ends."""

    access_token: str
    refresh_token: str
    session_seconds: int


@dataclass(frozen=True, slots=True)
class Visit:
    """From where somebody asks, and in which request."""

    address: str
    request_id: str


class TokenService:
    """Signs people in; one per process."""

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        tokens: AccessTokens,
        attempts: Attempts,
        office: Office,
        clock: Clock,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._tokens = tokens
        self._attempts = attempts
        self._office = office
        self._clock = clock
        self._random_bytes = random_bytes

    async def sign_in(self, name: str, password: str, *, address: str) -> Granted:
        """Open a session with a name and a password.

        An unknown name, a disabled account and a wrong password differ neither in the answer nor
        in the time that it takes.

        Raises:
            DeniedError: `credentials_wrong`, or `sign_in_too_often`.
            UnavailableError: `sign_in_busy`, or the database is away.
        """
        name = name.lower()
        await self._attempts.take(name, address)
        account = None
        if is_account_name(name):
            async with self._database.reading() as connection:
                account = await read_account_by_name(connection, name)
        stored = account.password_hash if account is not None and account.is_enabled else None
        if not await self._passwords.is_right(password, stored) or account is None:
            log.warning("sign-in refused", clientAddress=address)
            raise self._office.wrong()
        newer = None
        if stored is not None and self._passwords.is_outdated(stored):
            newer = await self._passwords.hash(password)
        granted = await self._open(account, newer)
        await self._attempts.give_back(name, address)
        return granted

    async def refresh(self, token: str, *, visit: Visit) -> Granted:
        """Renew a session with its newest refresh token.

        Raises:
            DeniedError: `refresh_token_invalid`; a token that was used before ends its session.
        """
        digest, now = _digest(token), to_datetime(self._clock())
        async with self._database.writing(needs_ledger=False) as connection:
            granted = await self._renewed(connection, digest, visit, now)
        # Outside the transaction: that a session was ended must be committed, not undone.
        if granted is None:
            raise self._refused()
        return granted

    async def revoke(self, token: str) -> None:
        """End a refresh token's session; whether there is one is nobody's business (RFC 7009)."""
        now = to_datetime(self._clock())
        async with self._database.writing(needs_ledger=False) as connection:
            stored = await lock_refresh_token(connection, _digest(token))
            if stored is not None:
                await revoke_session(connection, stored.session_id, reason="signed_out", now=now)

    async def _open(self, account: StoredAccount, newer_hash: str | None) -> Granted:
        now = to_datetime(self._clock())
        session_id = sortable_id(
            "ses",
            unix_milliseconds=int(now.timestamp() * 1000),
            randomness=self._random_bytes(10),
        )
        expires_at = now + timedelta(days=SESSION_DAYS)
        async with self._database.writing(needs_ledger=False) as connection:
            # While the password was being checked the office may have changed its mind.
            current = await lock_account(connection, account.id)
            if current is None or current.tokens_valid_from != account.tokens_valid_from:
                raise self._office.wrong()
            if newer_hash is not None and account.password_hash is not None:
                before = account.password_hash
                await renew_hash(connection, account.id, before=before, after=newer_hash)
            await insert_session(connection, session_id, account.id, now=now, expires_at=expires_at)
            granted = await self._grant(connection, account, session_id, expires_at, now)
        log.info("signed in", accountId=account.id, sessionId=session_id)
        return granted

    async def _renewed(
        self, connection: Connection, digest: bytes, visit: Visit, now: datetime
    ) -> Granted | None:
        stored = await lock_refresh_token(connection, digest)
        if stored is None or not stored.is_good(now):
            return None
        account = await read_account(connection, stored.account_id)
        if account is None or not account.is_enabled:
            return None
        if stored.used_at is not None and now - stored.used_at > timedelta(seconds=GRACE_SECONDS):
            await self._end_stolen(connection, stored, visit, now)
            return None
        await mark_used(connection, digest, now=now)
        return await self._grant(connection, account, stored.session_id, stored.expires_at, now)

    async def _end_stolen(
        self, connection: Connection, stored: StoredRefreshToken, visit: Visit, now: datetime
    ) -> None:
        """Whether the thief or the owner comes second nobody can tell: keep from where that was."""
        session_id, account_id = stored.session_id, stored.account_id
        await revoke_session(connection, session_id, reason="token_reused", now=now)
        log.warning("a used refresh token came again", accountId=account_id, sessionId=session_id)
        actor, details = Actor(account_id, visit.request_id), {"clientAddress": visit.address}
        await actor.note(connection, "session.token_reused", session_id, details, now=now)

    async def _grant(
        self,
        connection: Connection,
        account: StoredAccount,
        session_id: str,
        expires_at: datetime,
        now: datetime,
    ) -> Granted:
        refresh_token = secrets.token_urlsafe(REFRESH_TOKEN_BYTES)
        await insert_refresh_token(connection, _digest(refresh_token), session_id, now=now)
        roles = [Role(role) for role in account.roles]
        access_token = self._tokens.issue(account.id, session_id, roles)
        return Granted(access_token, refresh_token, int((expires_at - now).total_seconds()))

    def _refused(self) -> DeniedError:
        message = "this refresh token is not good, or not any more: sign in again"
        return self._office.invalid("refresh_token_invalid", message)


def _digest(token: str) -> bytes:
    """What is kept of a refresh token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()
