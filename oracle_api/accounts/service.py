"""Makes and changes accounts and their API keys, inside a transaction of the caller's."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ledger.ids import sortable_id
from ledger.store.accounts import (
    NewAccount,
    StoredAccount,
    insert_account,
    is_last_admin,
    read_account,
    set_enabled,
    set_password_hash,
    set_roles,
)
from ledger.store.actor import Actor
from ledger.store.api_keys import (
    NewApiKey,
    StoredApiKey,
    count_good_api_keys,
    insert_api_key,
    read_api_key,
    revoke_api_key,
)
from ledger.store.idempotency import IdempotencyKey
from ledger.store.pool import Connection
from ledger.store.sessions import revoke_sessions
from oracle_api.access.api_keys import ENDING_CHARACTERS, api_key_digest, make_api_key
from oracle_api.access.office import Office
from oracle_api.access.principal import Role, Scope
from oracle_api.idempotency import claim
from oracle_api.pages import is_id
from oracle_api.times import Clock, rfc3339, to_datetime

MAX_GOOD_KEYS: Final = 20
MAX_KEY_DAYS: Final = 730
DEFAULT_KEY_DAYS: Final = 365


@dataclass(frozen=True, slots=True)
class MadeAccount:
    """An account, and whether the same request had made it before."""

    account: StoredAccount
    is_replayed: bool


@dataclass(frozen=True, slots=True)
class MadeApiKey:
    """A key; `secret` is shown once and kept nowhere, so that it is None when replayed."""

    secret: str | None
    stored: StoredApiKey

    @property
    def is_replayed(self) -> bool:
        """Whether the same request had made it before."""
        return self.secret is None


class AccountService:
    """What the office does; every change is written down with who made it."""

    def __init__(
        self,
        office: Office,
        clock: Clock,
        *,
        is_test: bool,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.office = office
        self._clock = clock
        self._is_test = is_test
        self._random_bytes = random_bytes

    async def make(
        self,
        connection: Connection,
        actor: Actor,
        *,
        name: str,
        roles: Collection[Role],
        store_id: str | None,
        password_hash: str | None,
        key: IdempotencyKey | None = None,
    ) -> MadeAccount:
        """Make an account; without a password it can only have API keys.

        Raises:
            RejectedError: `account_name_taken`, `store_needed` or an `idempotency_key_...`.
        """
        self._check_store(roles, store_id)
        now = self._now()
        claimed = await claim(connection, key, new_id=self._new_id("acc", now), now=now)
        if not claimed.is_replayed:
            new = NewAccount(claimed.id, name, roles, store_id, password_hash, now)
            if not await insert_account(connection, new):
                message = "there is an account of that name already"
                raise self.office.refused("account_name_taken", message, param="name")
            details = {"name": name, "roles": ",".join(sorted(roles)), "storeId": store_id}
            await self._record(connection, actor, "account.created", claimed.id, details)
        account = await self.existing(connection, claimed.id)
        return MadeAccount(account, claimed.is_replayed)

    async def existing(self, connection: Connection, account_id: str) -> StoredAccount:
        """One account.

        Raises:
            RejectedError: `account_not_found`.
        """
        if is_id(account_id, prefix="acc"):
            found = await read_account(connection, account_id)
            if found is not None:
                return found
        raise self.office.refused("account_not_found", "there is no such account")

    async def set_enabled(
        self, connection: Connection, actor: Actor, account_id: str, *, is_enabled: bool
    ) -> StoredAccount:
        """Disable an account, which ends its sessions and rests its keys, or enable it again.

        Raises:
            RejectedError: `account_not_found` or `last_admin`.
        """
        await self.existing(connection, account_id)
        if not is_enabled:
            await self._keep_an_admin(connection, account_id)
        now = self._now()
        await set_enabled(connection, account_id, is_enabled=is_enabled, now=now)
        if not is_enabled:
            await revoke_sessions(connection, account_id, reason="account_disabled", now=now)
        action = "account.enabled" if is_enabled else "account.disabled"
        await self._record(connection, actor, action, account_id, {})
        return await self.existing(connection, account_id)

    async def set_roles(
        self,
        connection: Connection,
        actor: Actor,
        account_id: str,
        *,
        roles: Collection[Role],
        store_id: str | None,
    ) -> StoredAccount:
        """Give an account other roles.

        Raises:
            RejectedError: `account_not_found`, `store_needed` or `last_admin`.
        """
        self._check_store(roles, store_id)
        if Role.ADMIN not in roles:
            await self._keep_an_admin(connection, account_id)
        before = await self.existing(connection, account_id)
        await set_roles(connection, account_id, roles, store_id=store_id)
        details = {
            "before": ",".join(before.roles),
            "roles": ",".join(sorted(roles)),
            "storeId": store_id,
        }
        await self._record(connection, actor, "account.roles_changed", account_id, details)
        return await self.existing(connection, account_id)

    async def set_password(
        self, connection: Connection, actor: Actor, account_id: str, password_hash: str
    ) -> StoredAccount:
        """Give an account another password; whoever was signed in with it has to sign in anew."""
        await self.existing(connection, account_id)
        now = self._now()
        await set_password_hash(connection, account_id, password_hash, now=now)
        await revoke_sessions(connection, account_id, reason="password_changed", now=now)
        await self._record(connection, actor, "account.password_changed", account_id, {})
        return await self.existing(connection, account_id)

    async def make_key(
        self,
        connection: Connection,
        actor: Actor,
        account_id: str,
        *,
        name: str,
        scopes: Collection[Scope],
        days: int,
        key: IdempotencyKey | None = None,
    ) -> MadeApiKey:
        """Make an API key for an account.

        Raises:
            RejectedError: `account_not_found`, `too_many_api_keys` or an `idempotency_key_...`.
        """
        await self.existing(connection, account_id)
        now = self._now()
        claimed = await claim(connection, key, new_id=self._new_id("key", now), now=now)
        if claimed.is_replayed:
            return MadeApiKey(None, await self._key(connection, account_id, claimed.id))
        if await count_good_api_keys(connection, account_id, now=now) >= MAX_GOOD_KEYS:
            message = f"an account has at most {MAX_GOOD_KEYS} API keys; revoke one"
            raise self.office.refused("too_many_api_keys", message)
        secret, expires_at = make_api_key(is_test=self._is_test), now + timedelta(days=days)
        new = NewApiKey(
            id=claimed.id,
            account_id=account_id,
            name=name,
            digest=api_key_digest(secret.encode()),
            ending=secret[-ENDING_CHARACTERS:],
            scopes=scopes,
            is_test=self._is_test,
            created_at=now,
            expires_at=expires_at,
        )
        await insert_api_key(connection, new)
        details = {
            "accountId": account_id,
            "scopes": ",".join(sorted(scopes)),
            "expiresAt": rfc3339(expires_at),
        }
        await self._record(connection, actor, "api_key.created", claimed.id, details)
        return MadeApiKey(secret, await self._key(connection, account_id, claimed.id))

    async def revoke_key(
        self, connection: Connection, actor: Actor, account_id: str, key_id: str
    ) -> StoredApiKey:
        """End an API key; doing it twice is as good as once.

        Raises:
            RejectedError: `account_not_found` or `api_key_not_found`.
        """
        await self.existing(connection, account_id)
        if is_id(key_id, prefix="key"):
            await revoke_api_key(connection, account_id, key_id, now=self._now())
        key = await self._key(connection, account_id, key_id)
        details = {"accountId": account_id}
        await self._record(connection, actor, "api_key.revoked", key_id, details)
        return key

    def _check_store(self, roles: Collection[Role], store_id: str | None) -> None:
        if Role.TILL in roles and store_id is None:
            message = "a till belongs to a store"
            raise self.office.refused("store_needed", message, param="storeId")

    async def _keep_an_admin(self, connection: Connection, account_id: str) -> None:
        if await is_last_admin(connection, account_id):
            raise self.office.refused(
                "last_admin",
                "without this account no admin could sign in any more: let another be one first",
            )

    async def _key(self, connection: Connection, account_id: str, key_id: str) -> StoredApiKey:
        if is_id(key_id, prefix="key"):
            found = await read_api_key(connection, account_id, key_id)
            if found is not None:
                return found
        raise self.office.refused("api_key_not_found", "the account has no such API key")

    async def _record(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        subject: str,
        details: dict[str, Any],
    ) -> None:
        await actor.note(connection, action, subject, details, now=self._now())

    def _now(self) -> datetime:
        return to_datetime(self._clock())

    def _new_id(self, prefix: str, now: datetime) -> str:
        milliseconds = int(now.timestamp() * 1000)
        return sortable_id(
            prefix, unix_milliseconds=milliseconds, randomness=self._random_bytes(10)
        )
