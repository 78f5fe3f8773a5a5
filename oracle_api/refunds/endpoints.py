"""The routes about refunds."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from ledger.order import Depths
from ledger.refund import RefundStatus
from ledger.store.cursor import read_cursor
from ledger.store.pool import Connection
from ledger.store.refund_lists import list_refunds, list_refunds_of
from oracle_api.access.principal import Principal
from oracle_api.database import Database
from oracle_api.idempotency import replay_headers
from oracle_api.orders.requests import read_order_id
from oracle_api.pages import (
    MAX_CURSOR,
    cut_page,
    page_document,
    read_before,
    read_limit,
    read_statuses,
)
from oracle_api.problems import UnavailableError
from oracle_api.refunds.documentation import CANCEL, CREATE, LIST, LIST_OF_ORDER, READ, RECORD
from oracle_api.refunds.requests import (
    OPEN_STATUSES,
    CancellationRequest,
    NewRefundRequest,
    TransactionRequest,
    read_refund_id,
)
from oracle_api.refunds.resource import write_refund
from oracle_api.refunds.service import (
    Caller,
    RefundService,
    audience_of_refunds,
    check_order,
    read_existing,
)
from oracle_api.responses import json_of

OF_AN_ORDER = "/api/v1/orders/{order_id}/refunds"


def refunds_router(database: Database, service: RefundService, *, chain_id: int) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(tags=["refunds"])
    routes = RefundRoutes(database, service, chain_id)
    one = OF_AN_ORDER + "/{refund_id}"
    router.add_api_route(OF_AN_ORDER, routes.create, methods=["POST"], status_code=201, **CREATE)
    router.add_api_route(OF_AN_ORDER, routes.list_of_order, methods=["GET"], **LIST_OF_ORDER)
    router.add_api_route(one, routes.read, methods=["GET"], **READ)
    router.add_api_route(one + "/transaction", routes.record, methods=["POST"], **RECORD)
    router.add_api_route(one + "/cancel", routes.cancel, methods=["POST"], **CANCEL)
    router.add_api_route("/api/v1/refunds", routes.list, methods=["GET"], **LIST)
    return router


class RefundRoutes:
    """Each opens the transaction in which the service works."""

    def __init__(self, database: Database, service: RefundService, chain_id: int) -> None:
        self._database = database
        self._service = service
        self._chain_id = chain_id

    async def create(
        self,
        request: Request,
        order_id: str,
        refund: NewRefundRequest,
        idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        """Make a refund; the same Idempotency-Key and body always give the same refund."""
        order_id = read_order_id(order_id)
        async with self._database.writing() as connection:
            made = await self._service.make(
                connection, order_id, refund, _caller(request), idempotency_key
            )
            document = write_refund(made.refund, await self._depths(connection))
        headers = {"location": f"/api/v1/orders/{order_id}/refunds/{made.refund.id}"}
        headers |= replay_headers(is_replayed=made.is_replayed)
        return json_of(document, status=201, headers=headers)

    async def list_of_order(self, request: Request, order_id: str) -> Response:
        """All refunds of an order, oldest first."""
        order_id = read_order_id(order_id)
        async with self._database.reading() as connection:
            await check_order(connection, order_id, _principal(request))
            found = await list_refunds_of(connection, order_id)
            depths = await self._depths(connection)
        data = [write_refund(refund, depths) for refund in found]
        return json_of(page_document(data, next_cursor=None))

    async def list(
        self,
        request: Request,
        status: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """Refunds of all orders, newest first; the open ones if no status is asked for."""
        principal, wanted = _principal(request), read_limit(limit)
        async with self._database.reading() as connection:
            found = await list_refunds(
                connection,
                read_statuses(status, RefundStatus, default=OPEN_STATUSES),
                before_id=read_before(before, prefix="ref"),
                audience=audience_of_refunds(principal),
                limit=wanted + 1,
            )
            depths = await self._depths(connection)
        page, next_cursor = cut_page(found, wanted, lambda one: one.id)
        data = [write_refund(refund, depths) for refund in page]
        return json_of(page_document(data, next_cursor=next_cursor))

    async def read(self, request: Request, order_id: str, refund_id: str) -> Response:
        """One refund."""
        order_id, refund_id = read_order_id(order_id), read_refund_id(refund_id)
        async with self._database.reading() as connection:
            await check_order(connection, order_id, _principal(request))
            found = await read_existing(connection, order_id, refund_id)
            document = write_refund(found, await self._depths(connection))
        return json_of(document)

    async def record(
        self, request: Request, order_id: str, refund_id: str, sent: TransactionRequest
    ) -> Response:
        """Note the transaction that pays a refund."""
        order_id, refund_id = read_order_id(order_id), read_refund_id(refund_id)
        async with self._database.writing() as connection:
            found = await self._service.record(
                connection, order_id, refund_id, sent.txHash, _caller(request)
            )
            document = write_refund(found, await self._depths(connection))
        return json_of(document)

    async def cancel(
        self, request: Request, order_id: str, refund_id: str, why: CancellationRequest
    ) -> Response:
        """Cancel a refund whose money has not gone."""
        order_id, refund_id = read_order_id(order_id), read_refund_id(refund_id)
        async with self._database.writing() as connection:
            found = await self._service.cancel(
                connection, order_id, refund_id, why.note, _caller(request)
            )
            document = write_refund(found, await self._depths(connection))
        return json_of(document)

    async def _depths(self, connection: Connection) -> Depths:
        cursor = await read_cursor(connection, self._chain_id)
        if cursor is None:
            raise UnavailableError("ledger_empty", "the indexer has not registered its chain")
        return cursor.depths


def _principal(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


def _caller(request: Request) -> Caller:
    return Caller(_principal(request), request.state.request_id)
