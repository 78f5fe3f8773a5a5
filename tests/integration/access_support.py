"""An oracle with accounts, and people who use it."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from oracle_support import (
    Client,
    Ledger,
    served,
    settings_for,
    until_journal_is_read,
)

from ledger.store.actor import OFFICE_COMMAND
from oracle_api.access.office import Office
from oracle_api.access.passwords import Passwords
from oracle_api.access.principal import Role, Scope
from oracle_api.accounts.service import AccountService
from oracle_api.stream.hub import StreamLimits

OFFICE = {"name": "Student Office", "contact": "+60 3 1234 5678"}
PASSWORD = "correct horse battery"
_HASHES: dict[str, str] = {}


def hashed(password: str) -> str:
    """As the oracle hashes, once for each password."""
    if password not in _HASHES:
        passwords = Passwords(Office("", None))
        _HASHES[password] = passwords.hash_now(password)
        passwords.close()
    return _HASHES[password]


@dataclass
class Watch:
    """A clock that goes with the real one, can be put forward, and can be stopped."""

    ahead: float = 0.0
    stopped_at: float | None = None

    def __call__(self) -> float:
        return (time.time() if self.stopped_at is None else self.stopped_at) + self.ahead

    def stop(self) -> None:
        """Go on only when put forward: how fast the machine is must not matter."""
        self.stopped_at = time.time()


@dataclass
class Person:
    """Somebody with a credential, asking a served oracle."""

    client: Client
    account_id: str
    credential: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    async def call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> tuple[int, Any, dict[str, str]]:
        own = {"Authorization": f"Bearer {self.credential}"} if self.credential else {}
        return await self.client.call(method, path, headers=own | (headers or {}), **options)

    async def order(self, key: str, amount: str = "1.80") -> Any:
        status, order, _ = await self.call(
            "POST",
            "/api/v1/orders",
            json={"amountMyr": amount},
            headers={"Idempotency-Key": key},
        )
        assert status == 201, order
        return order


@dataclass
class Guarded:
    """A served oracle with accounts, and the office's own hand on its database."""

    client: Client
    ledger: Ledger
    watch: Watch

    @property
    def office(self) -> AccountService:
        office = Office(OFFICE["name"], OFFICE["contact"])
        return AccountService(office, self.watch, is_test=True)

    async def account(
        self, name: str, *roles: Role, store: str | None = None, password: str = PASSWORD
    ) -> str:
        async with self.ledger.connection.transaction():
            made = await self.office.make(
                self.ledger.connection,
                OFFICE_COMMAND,
                name=name,
                roles=roles,
                store_id=store,
                password_hash=hashed(password),
            )
        return made.account.id

    async def person(self, name: str, *roles: Role, store: str | None = None) -> Person:
        """Somebody with an access token; how they came by it is another test's concern."""
        return self.known(await self.account(name, *roles, store=store), *roles)

    def known(self, account_id: str, *roles: Role) -> Person:
        """Whoever has this account, at this oracle: it may have been made at another replica."""
        tokens = self.client.oracle._entrance.tokens
        return Person(self.client, account_id, tokens.issue(account_id, "ses_test", roles))

    async def program(self, account_id: str, *scopes: Scope, days: int = 30) -> Person:
        """Something with an API key."""
        async with self.ledger.connection.transaction():
            made = await self.office.make_key(
                self.ledger.connection,
                OFFICE_COMMAND,
                account_id,
                name="test",
                scopes=scopes,
                days=days,
            )
        return Person(self.client, account_id, made.secret)

    async def signed_in(self, name: str, password: str = PASSWORD) -> Any:
        status, tokens, _ = await self.grant(
            grant_type="password", username=name, password=password
        )
        assert status == 200, tokens
        return tokens

    async def grant(
        self, headers: dict[str, str] | None = None, **body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        return await self.client.call("POST", "/api/v1/tokens", json=body, headers=headers)


@contextlib.asynccontextmanager
async def guarded_oracle(
    ledger: Ledger, *, limits: StreamLimits | None = None, **changes: Any
) -> AsyncIterator[Guarded]:
    watch = Watch()
    settings = settings_for(
        ledger.url,
        access="accounts",
        office_name=OFFICE["name"],
        office_contact=OFFICE["contact"],
        **changes,
    )
    async with served(settings, limits=limits, clock=watch) as client:
        await until_journal_is_read(client)
        yield Guarded(client, ledger, watch)
