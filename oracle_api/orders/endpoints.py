"""The routes about orders."""

import asyncio
import hashlib
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request, Response

from ledger.audience import Audience
from ledger.order import Status
from oracle_api.access.audience import audience_of
from oracle_api.access.principal import Principal
from oracle_api.access.route_roles import STAFF
from oracle_api.audit_log.actor import actor_of
from oracle_api.database import Database
from oracle_api.idempotency import replay_headers
from oracle_api.orders.documentation import (
    CANCEL,
    CREATE,
    LIST,
    QR,
    READ,
)
from oracle_api.orders.qr import payment_qr_svg
from oracle_api.orders.repository import PaidOrder, list_by_status, read_with_payments
from oracle_api.orders.requests import (
    NewOrderRequest,
    order_not_found,
    read_before_order,
    read_order_id,
)
from oracle_api.orders.resource import OPEN_STATUSES, OrderWriter
from oracle_api.orders.service import OrderService
from oracle_api.pages import MAX_CURSOR, page_document, read_limit, read_statuses
from oracle_api.preference import applied, preferred_wait
from oracle_api.responses import JSON_TYPE, json_of
from oracle_api.settings import Settings
from oracle_api.stream.hub import Hub


def orders_router(
    settings: Settings, database: Database, service: OrderService, hub: Hub
) -> APIRouter:
    """The routes, around the process's one database and hub."""
    router = APIRouter(prefix="/api/v1/orders", tags=["orders"])
    routes = OrderRoutes(settings, database, service, hub)
    router.add_api_route("", routes.create, methods=["POST"], status_code=201, **CREATE)
    router.add_api_route("", routes.list, methods=["GET"], **LIST)
    router.add_api_route("/{order_id}", routes.read, methods=["GET"], **READ)
    router.add_api_route("/{order_id}/cancel", routes.cancel, methods=["POST"], **CANCEL)
    router.add_api_route("/{order_id}/qr.svg", routes.qr, methods=["GET"], **QR)
    return router


class OrderRoutes:
    """Each opens the transaction in which the service works."""

    def __init__(
        self, settings: Settings, database: Database, service: OrderService, hub: Hub
    ) -> None:
        self._settings = settings
        self._database = database
        self._service = service
        self._hub = hub
        self._writer = OrderWriter(settings.deployment)

    async def create(
        self,
        request: Request,
        order: NewOrderRequest,
        idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        """Make an order; the same Idempotency-Key and body always give the same order."""
        principal: Principal = request.state.principal
        async with self._database.writing() as connection:
            made = await self._service.make(connection, order, principal, idempotency_key)
        headers = {"location": f"/api/v1/orders/{made.paid_order.order.id}"}
        headers |= replay_headers(is_replayed=made.is_replayed)
        return self._order_response(made.paid_order, status=201, headers=headers)

    async def list(
        self,
        request: Request,
        status: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """Orders, newest first; the open ones if no status is asked for."""
        statuses = read_statuses(status, Status, default=OPEN_STATUSES)
        async with self._database.reading() as connection:
            found = await list_by_status(
                connection,
                statuses,
                before_id=read_before_order(before),
                limit=read_limit(limit),
                audience=audience_of(request.state.principal),
            )
        orders = [self._writer.write(order) for order in found.page]
        next_cursor = found.page[-1].id if found.has_more else None
        return json_of(page_document(orders, next_cursor=next_cursor))

    async def read(self, request: Request, order_id: str) -> Response:
        """One order; with `Prefer: wait` the answer is held while the order stays as it is."""
        order_id = read_order_id(order_id)
        wanted = preferred_wait(request.headers.raw, max_seconds=self._settings.max_wait_seconds)
        known = request.headers.get("if-none-match")
        audience = audience_of(request.state.principal)
        with self._hub.waits.hold_for(request.state.principal, wanted) as wait_seconds:
            body, tag = await self._read_changed(order_id, audience, known, wait_seconds)
        headers = {"etag": tag, "cache-control": "no-cache"}
        headers |= {name.decode(): value.decode() for name, value in applied(wait_seconds)}
        if _matches(known, tag):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=JSON_TYPE, headers=headers)

    async def _read_changed(
        self, order_id: str, audience: Audience, known: str | None, wait_seconds: float
    ) -> tuple[bytes, str]:
        """The order when it is another than `known`, or than now, or when the time is over."""
        deadline = asyncio.get_running_loop().time() + wait_seconds
        with self._hub.watching(order_id) as watch:
            body, tag = await self._tagged(order_id, audience)
            first = tag if known is None else None
            while wait_seconds and (tag == first or _matches(known, tag)):
                left = deadline - asyncio.get_running_loop().time()
                if not await watch.change(timeout_seconds=left):
                    break
                body, tag = await self._tagged(order_id, audience)
        return body, tag

    async def cancel(self, request: Request, order_id: str) -> Response:
        """Cancel an order that has not been paid."""
        order_id = read_order_id(order_id)
        principal: Principal = request.state.principal
        async with self._database.writing() as connection:
            cancelled = await self._service.cancel(
                connection,
                order_id,
                audience_of(principal),
                staff=actor_of(request) if principal.has(*STAFF) else None,
            )
        return self._order_response(cancelled)

    async def qr(self, request: Request, order_id: str) -> Response:
        """The order's payment request as a QR code."""
        order_id = read_order_id(order_id)
        async with self._database.reading() as connection:
            found = await read_with_payments(
                connection, order_id, audience_of(request.state.principal)
            )
        if found is None:
            raise order_not_found()
        image = payment_qr_svg(self._writer.payment_uri(found.order))
        tag = f'"{hashlib.sha256(image).hexdigest()[:32]}"'
        # It changes when a part is paid, so whoever keeps it has to ask.
        headers = {"etag": tag, "cache-control": "no-cache"}
        if _matches(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        return Response(image, media_type="image/svg+xml", headers=headers)

    async def _tagged(self, order_id: str, audience: Audience) -> tuple[bytes, str]:
        """The order as JSON and its entity tag.

        The version alone would not do: no event tells when a reorganisation moves a payment that
        decides nothing, such as a second payer's, to another block.
        """
        async with self._database.reading() as connection:
            found = await read_with_payments(connection, order_id, audience)
        if found is None:
            raise order_not_found()
        body = orjson.dumps(self._writer.write_with_payments(found.order, found.payments))
        return body, f'"{found.order.version}-{hashlib.sha256(body).hexdigest()[:12]}"'

    def _order_response(
        self, found: PaidOrder, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        document = self._writer.write_with_payments(found.order, found.payments)
        return json_of(document, status=status, headers=headers)


def _matches(if_none_match: str | None, tag: str) -> bool:
    """Whether a client already has what `tag` names (weak comparison, as RFC 9110 wants)."""
    if if_none_match is None:
        return False
    tags = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return tag in tags or tags == ["*"]
