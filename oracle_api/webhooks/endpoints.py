"""The routes about webhooks."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from ledger.store.idempotency import IdempotencyKey
from ledger.store.pool import Connection
from ledger.store.webhook_deliveries import Attempt
from ledger.store.webhook_log import Delivery, list_attempts, list_deliveries
from ledger.store.webhooks import Endpoint, list_endpoints
from oracle_api.database import Database
from oracle_api.idempotency import canonical, optional_key, replay_headers
from oracle_api.pages import (
    MAX_CURSOR,
    cut_page,
    page_document,
    read_before,
    read_limit,
    read_status,
)
from oracle_api.responses import json_of
from oracle_api.times import Clock
from oracle_api.webhooks import documentation as told
from oracle_api.webhooks.again import AgainService
from oracle_api.webhooks.requests import (
    STATUSES,
    ChangeWebhookRequest,
    NewWebhookRequest,
    ReplayRequest,
    RotateSecretRequest,
    read_delivery_before,
    read_delivery_id,
    read_webhook_id,
)
from oracle_api.webhooks.resource import delivery_document, webhook_document
from oracle_api.webhooks.service import Caller, WebhookService
from oracle_api.webhooks.settings import WebhookSettings
from oracle_api.webhooks.signers import MadeSecret

PATH = "/api/v1/webhooks"

KeyHeader = Annotated[str | None, Header(include_in_schema=False)]


def webhooks_router(settings: WebhookSettings, database: Database, clock: Clock) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(prefix=PATH, tags=["webhooks"])
    service = WebhookService(settings, clock)
    routes, deliveries = WebhookRoutes(database, service), DeliveryRoutes(database, service)
    one, some = "/{webhook_id}", "/{webhook_id}/deliveries"
    add = router.add_api_route
    add("", routes.create, methods=["POST"], status_code=201, **told.CREATE)
    add("", routes.list, methods=["GET"], **told.LIST)
    add(one, routes.read, methods=["GET"], **told.READ)
    add(one, routes.change, methods=["PATCH"], **told.CHANGE)
    add(one, routes.delete, methods=["DELETE"], status_code=204, **told.DELETE)
    add(f"{one}/rotate-secret", routes.rotate, methods=["POST"], **told.ROTATE)
    add(f"{one}/test", deliveries.ping, methods=["POST"], status_code=202, **told.TEST)
    add(f"{one}/replay", deliveries.replay, methods=["POST"], status_code=202, **told.REPLAY)
    add(some, deliveries.list, methods=["GET"], **told.DELIVERIES)
    add(
        f"{some}/{{delivery_id}}/redeliver",
        deliveries.redeliver,
        methods=["POST"],
        status_code=202,
        **told.REDELIVER,
    )
    return router


class WebhookRoutes:
    """Each opens the transaction in which the service works."""

    def __init__(self, database: Database, service: WebhookService) -> None:
        self._database, self._service = database, service

    async def create(
        self,
        request: Request,
        webhook: NewWebhookRequest,
        idempotency_key: KeyHeader = None,
    ) -> Response:
        """Make an endpoint, whose secret is shown by this answer and a repeated one alone."""
        key = _key(request, idempotency_key, PATH, canonical(webhook))
        async with self._database.writing() as connection:
            made = await self._service.make(connection, _caller(request), webhook, key)
        headers = {"location": f"{PATH}/{made.endpoint.id}"}
        headers |= replay_headers(is_replayed=made.is_replayed)
        return json_of(_with_secret(made), status=201, headers=headers)

    async def list(
        self,
        request: Request,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """The caller's endpoints, an admin's are everybody's; newest first."""
        caller, count = _caller(request), read_limit(limit)
        async with self._database.reading() as connection:
            found = await list_endpoints(
                connection,
                account_id=None if caller.sees_all else caller.principal.account_id,
                before_id=read_before(before, prefix="whe"),
                limit=count + 1,
            )
            page, next_cursor = cut_page(found, count, lambda one: one.id)
            documents = [await self._document(connection, one) for one in page]
        return json_of(page_document(documents, next_cursor=next_cursor))

    async def read(self, request: Request, webhook_id: str) -> Response:
        """One endpoint."""
        webhook_id = read_webhook_id(webhook_id)
        async with self._database.reading() as connection:
            endpoint = await self._service.find(connection, _caller(request), webhook_id)
            return json_of(await self._document(connection, endpoint))

    async def change(
        self, request: Request, webhook_id: str, change: ChangeWebhookRequest
    ) -> Response:
        """Change an endpoint."""
        webhook_id = read_webhook_id(webhook_id)
        async with self._database.writing() as connection:
            endpoint = await self._service.change(connection, _caller(request), webhook_id, change)
            return json_of(await self._document(connection, endpoint))

    async def delete(self, request: Request, webhook_id: str) -> Response:
        """Delete an endpoint; nothing is sent there any more."""
        webhook_id = read_webhook_id(webhook_id)
        async with self._database.writing() as connection:
            await self._service.delete(connection, _caller(request), webhook_id)
        return Response(status_code=204)

    async def rotate(
        self,
        request: Request,
        webhook_id: str,
        rotation: RotateSecretRequest | None = None,
        idempotency_key: KeyHeader = None,
    ) -> Response:
        """Give an endpoint a new secret, shown by this answer and a repeated one alone."""
        webhook_id, wanted = read_webhook_id(webhook_id), rotation or RotateSecretRequest()
        path = f"{PATH}/{webhook_id}/rotate-secret"
        key = _key(request, idempotency_key, path, canonical(wanted))
        async with self._database.writing() as connection:
            made = await self._service.rotate(connection, _caller(request), webhook_id, wanted, key)
        headers = replay_headers(is_replayed=made.is_replayed)
        return json_of(_with_secret(made), headers=headers)

    async def _document(self, connection: Connection, endpoint: Endpoint) -> dict[str, Any]:
        return webhook_document(endpoint, await self._service.signers(connection, endpoint.id))


class DeliveryRoutes:
    """The log of an endpoint's deliveries, and what is sent again."""

    def __init__(self, database: Database, service: WebhookService) -> None:
        self._database, self._service = database, service
        self._again = AgainService(service)

    async def list(
        self,
        request: Request,
        webhook_id: str,
        status: Annotated[str | None, Query(max_length=20)] = None,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """Deliveries with their attempts, newest first."""
        webhook_id, count = read_webhook_id(webhook_id), read_limit(limit)
        async with self._database.reading() as connection:
            await self._service.find(connection, _caller(request), webhook_id)
            found = await list_deliveries(
                connection,
                webhook_id,
                status=read_status(status, known=STATUSES),
                before_id=read_delivery_before(before),
                limit=count + 1,
            )
            page, next_cursor = cut_page(found, count, lambda one: one.id)
            documents = await _documents(connection, page)
        return json_of(page_document(documents, next_cursor=next_cursor))

    async def redeliver(self, request: Request, webhook_id: str, delivery_id: str) -> Response:
        """Send a delivery again, whatever became of it."""
        webhook_id, delivery_id = read_webhook_id(webhook_id), read_delivery_id(delivery_id)
        async with self._database.writing() as connection:
            delivery = await self._again.redeliver(
                connection, _caller(request), webhook_id, delivery_id
            )
            return json_of((await _documents(connection, [delivery]))[0], status=202)

    async def replay(self, request: Request, webhook_id: str, wanted: ReplayRequest) -> Response:
        """Send a range of events again, also those that never were."""
        webhook_id = read_webhook_id(webhook_id)
        async with self._database.writing() as connection:
            count = await self._again.replay(connection, _caller(request), webhook_id, wanted)
        return json_of({"object": "replay", "webhookId": webhook_id, "events": count}, status=202)

    async def ping(
        self, request: Request, webhook_id: str, idempotency_key: KeyHeader = None
    ) -> Response:
        """Send an event that means nothing."""
        webhook_id = read_webhook_id(webhook_id)
        key = _key(request, idempotency_key, f"{PATH}/{webhook_id}/test", b"")
        async with self._database.writing() as connection:
            delivery, claimed = await self._again.ping(
                connection, _caller(request), webhook_id, key
            )
            documents = await _documents(connection, [delivery])
        headers = replay_headers(is_replayed=claimed.is_replayed)
        return json_of(documents[0], status=202, headers=headers)


def _caller(request: Request) -> Caller:
    return Caller(request.state.principal, request.state.request_id)


def _key(request: Request, header: str | None, path: str, form: bytes) -> IdempotencyKey | None:
    return optional_key(header, request.state.principal, route=f"POST {path}", request=form)


def _with_secret(made: MadeSecret) -> dict[str, Any]:
    """An endpoint and its new secret: for HMAC what to verify with, for ed25519 nothing."""
    secret = None if made.shown is None else made.shown.secret
    return webhook_document(made.endpoint, made.signers) | {
        "secret": secret and secret.shared,
        "secretWithheld": secret is None,
    }


async def _documents(connection: Connection, found: Sequence[Delivery]) -> list[dict[str, Any]]:
    attempts: defaultdict[str, list[Attempt]] = defaultdict(list)
    for attempt in await list_attempts(connection, [one.id for one in found]):
        attempts[attempt.delivery_id].append(attempt)
    return [delivery_document(one, attempts[one.id]) for one in found]
