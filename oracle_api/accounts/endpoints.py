"""The routes about accounts and their API keys, for the office; and `me`, for everybody."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from ledger.store.accounts import list_accounts, read_account
from ledger.store.api_keys import list_api_keys
from ledger.store.idempotency import IdempotencyKey, key_reused
from oracle_api.access.authenticator import Authenticator
from oracle_api.access.passwords import Passwords
from oracle_api.access.principal import Principal
from oracle_api.accounts.documentation import (
    CREATE,
    CREATE_KEY,
    DISABLE,
    ENABLE,
    LIST,
    LIST_KEYS,
    ME,
    PASSWORD,
    READ,
    REVOKE_KEY,
    ROLES,
)
from oracle_api.accounts.requests import (
    NewAccountRequest,
    NewApiKeyRequest,
    PasswordRequest,
    RolesRequest,
)
from oracle_api.accounts.resource import account_document, api_key_document
from oracle_api.accounts.service import AccountService
from oracle_api.audit_log.actor import actor_of
from oracle_api.database import Database
from oracle_api.idempotency import canonical, optional_key, replay_headers
from oracle_api.pages import MAX_CURSOR, cut_page, page_document, read_before, read_limit
from oracle_api.responses import json_of


def accounts_router(
    database: Database, service: AccountService, passwords: Passwords, authenticator: Authenticator
) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])
    routes = AccountRoutes(database, service, passwords, authenticator)
    for path, handler, method, options in (
        ("", routes.create, "POST", CREATE),
        ("", routes.list, "GET", LIST),
        ("/me", routes.me, "GET", ME),
        ("/{account_id}", routes.read, "GET", READ),
        ("/{account_id}/disable", routes.disable, "POST", DISABLE),
        ("/{account_id}/enable", routes.enable, "POST", ENABLE),
        ("/{account_id}/roles", routes.set_roles, "POST", ROLES),
        ("/{account_id}/password", routes.set_password, "POST", PASSWORD),
        ("/{account_id}/keys", routes.create_key, "POST", CREATE_KEY),
        ("/{account_id}/keys", routes.list_keys, "GET", LIST_KEYS),
        ("/{account_id}/keys/{key_id}/revoke", routes.revoke_key, "POST", REVOKE_KEY),
    ):
        router.add_api_route(path, handler, methods=[method], **options)
    return router


class AccountRoutes:
    """Each opens the transaction in which the service works."""

    def __init__(
        self,
        database: Database,
        service: AccountService,
        passwords: Passwords,
        authenticator: Authenticator,
    ) -> None:
        self._database = database
        self._service = service
        self._passwords = passwords
        self._authenticator = authenticator

    async def me(self, request: Request) -> Response:
        """Whose credentials these are, and what they may do."""
        principal: Principal = request.state.principal
        async with self._database.reading() as connection:
            account = await read_account(connection, principal.account_id)
        document = {
            "id": principal.account_id,
            "object": "account",
            "name": account.name if account else None,
            "roles": sorted(principal.roles),
            "storeId": principal.store_id,
        }
        return json_of(document)

    async def create(
        self,
        request: Request,
        body: NewAccountRequest,
        idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        """Make an account; the same Idempotency-Key and body give the same account."""
        key, password_hash = _account_key(idempotency_key, request, body), None
        if body.password is not None:
            self._passwords.check_new(body.password)
            password_hash = await self._passwords.hash(body.password)
        async with self._database.writing(needs_ledger=False) as connection:
            made = await self._service.make(
                connection,
                actor_of(request),
                name=body.name,
                roles=body.roles,
                store_id=body.storeId,
                password_hash=password_hash,
                key=key,
            )
        if made.is_replayed and body.password is not None:
            await self._require_same(body.password, made.account.password_hash)
        headers = {"location": f"/api/v1/accounts/{made.account.id}"}
        headers |= replay_headers(is_replayed=made.is_replayed)
        return json_of(account_document(made.account), status=201, headers=headers)

    async def list(
        self,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """Accounts, newest first."""
        count, before_id = read_limit(limit), read_before(before, prefix="acc")
        async with self._database.reading() as connection:
            found = await list_accounts(connection, before_id=before_id, limit=count + 1)
        page, next_cursor = cut_page(found, count, lambda one: one.id)
        return json_of(
            page_document([account_document(one) for one in page], next_cursor=next_cursor)
        )

    async def read(self, account_id: str) -> Response:
        """One account."""
        async with self._database.reading() as connection:
            return json_of(account_document(await self._service.existing(connection, account_id)))

    async def disable(self, request: Request, account_id: str) -> Response:
        """Let an account be used no longer."""
        return await self._enable(request, account_id, is_enabled=False)

    async def enable(self, request: Request, account_id: str) -> Response:
        """Let an account be used again."""
        return await self._enable(request, account_id, is_enabled=True)

    async def set_roles(self, request: Request, account_id: str, body: RolesRequest) -> Response:
        """Give an account other roles."""
        async with self._database.writing(needs_ledger=False) as connection:
            changed = await self._service.set_roles(
                connection, actor_of(request), account_id, roles=body.roles, store_id=body.storeId
            )
        self._authenticator.forget()
        return json_of(account_document(changed))

    async def set_password(
        self, request: Request, account_id: str, body: PasswordRequest
    ) -> Response:
        """Give an account another password, which ends its sessions."""
        self._passwords.check_new(body.password)
        password_hash = await self._passwords.hash(body.password)
        async with self._database.writing(needs_ledger=False) as connection:
            changed = await self._service.set_password(
                connection, actor_of(request), account_id, password_hash
            )
        self._authenticator.forget()
        return json_of(account_document(changed))

    async def create_key(
        self,
        request: Request,
        account_id: str,
        body: NewApiKeyRequest,
        idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        """Make an API key; this answer is the only one that shows it, a replay does not."""
        key = optional_key(
            idempotency_key,
            request.state.principal,
            route=f"POST /api/v1/accounts/{account_id}/keys",
            request=canonical(body),
        )
        async with self._database.writing(needs_ledger=False) as connection:
            made = await self._service.make_key(
                connection,
                actor_of(request),
                account_id,
                name=body.name,
                scopes=body.scopes,
                days=body.expiresInDays,
                key=key,
            )
        document = api_key_document(made.stored)
        document |= {"secret": made.secret, "secretWithheld": made.secret is None}
        headers = replay_headers(is_replayed=made.is_replayed)
        return json_of(document, status=201, headers=headers)

    async def list_keys(
        self,
        account_id: str,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """An account's API keys, newest first, revoked ones too."""
        count, before_id = read_limit(limit), read_before(before, prefix="key")
        async with self._database.reading() as connection:
            await self._service.existing(connection, account_id)
            found = await list_api_keys(
                connection, account_id, before_id=before_id, limit=count + 1
            )
        page, next_cursor = cut_page(found, count, lambda one: one.id)
        data = [api_key_document(one) for one in page]
        return json_of(page_document(data, next_cursor=next_cursor))

    async def revoke_key(self, request: Request, account_id: str, key_id: str) -> Response:
        """End an API key."""
        async with self._database.writing(needs_ledger=False) as connection:
            revoked = await self._service.revoke_key(
                connection, actor_of(request), account_id, key_id
            )
        self._authenticator.forget()
        return json_of(api_key_document(revoked))

    async def _require_same(self, password: str, stored: str | None) -> None:
        """Of a repeated request too: its key keeps no hash of a password that is quick to guess.

        Raises:
            RejectedError: `idempotency_key_reused`.
        """
        if not await self._passwords.is_right(password, stored):
            raise key_reused()

    async def _enable(self, request: Request, account_id: str, *, is_enabled: bool) -> Response:
        async with self._database.writing(needs_ledger=False) as connection:
            changed = await self._service.set_enabled(
                connection, actor_of(request), account_id, is_enabled=is_enabled
            )
        self._authenticator.forget()
        return json_of(account_document(changed))


def _account_key(
    header: str | None, request: Request, body: NewAccountRequest
) -> IdempotencyKey | None:
    has_password = b"no password" if body.password is None else b"a password"
    form = canonical(body, without={"password"}) + b"\n" + has_password
    principal: Principal = request.state.principal
    return optional_key(header, principal, route="POST /api/v1/accounts", request=form)
