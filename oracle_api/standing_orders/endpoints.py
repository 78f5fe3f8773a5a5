"""The routes about standing orders."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from ledger.errors import RejectedError
from ledger.store.cursor import read_cursor
from ledger.store.pool import Connection
from ledger.store.standing_orders import (
    StandingRecord,
    count_of_account,
    insert_standing_order,
    list_standing_orders,
    read_standing_order,
)
from oracle_api.access.principal import Principal, Role
from oracle_api.audit_log.actor import actor_of
from oracle_api.database import Database
from oracle_api.pages import MAX_CURSOR, cut_page, page_document, read_limit
from oracle_api.problems import CapabilityOffError, UnavailableError
from oracle_api.responses import json_of
from oracle_api.settings import Settings
from oracle_api.standing_orders.documentation import CREATE, LIST, READ
from oracle_api.standing_orders.requests import (
    NewStandingOrderRequest,
    before_invalid,
    read_before,
    read_standing_order_id,
    standing_order_not_found,
)
from oracle_api.standing_orders.resource import standing_order_id, write_standing_order
from oracle_api.times import Clock, to_datetime

PATH: Final = "/api/v1/standing-orders"
MAX_PER_ACCOUNT: Final = 20
"""Standing orders of one account that have not ended; each costs us a look every time."""


def standing_orders_router(settings: Settings, database: Database, clock: Clock) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(prefix=PATH, tags=["economy"])
    routes = StandingOrderRoutes(settings, database, clock)
    router.add_api_route("", routes.create, methods=["POST"], status_code=201, **CREATE)
    router.add_api_route("", routes.list, methods=["GET"], **LIST)
    router.add_api_route("/{standing_order_id}", routes.read, methods=["GET"], **READ)
    return router


class StandingOrderRoutes:
    """Registers what payers signed, and tells what became of it."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock

    async def create(self, request: Request, body: NewStandingOrderRequest) -> Response:
        """Register signed terms, so that they are collected; the same ones change nothing."""
        contract = self._settings.standing_orders_address
        if contract is None:
            raise CapabilityOffError("standing_orders", "this oracle collects no standing orders")
        principal, chain_id = _principal(request), self._settings.chain_id
        now = to_datetime(self._clock())
        order = body.read(
            chain_id=chain_id, contract=contract, account_id=principal.account_id, now=now
        )
        if order.merchant != self._settings.treasury_address:
            raise RejectedError(
                "terms_invalid", "merchant must be this store's treasury", param="merchant"
            )
        async with self._database.writing() as connection:
            if await read_standing_order(connection, chain_id, order.order_hash) is None:
                await self._require_room(connection, principal)
            is_news = await insert_standing_order(connection, order)
            # Whoever has the signature may see it, also where another account was first.
            record = await read_standing_order(connection, chain_id, order.order_hash)
            moment = await self._chain_now(connection)
            if is_news:
                subject, action = standing_order_id(order), "standing_order.registered"
                await actor_of(request).note(connection, action, subject, {}, now=now)
        if record is None:
            raise standing_order_not_found()
        return json_of(
            write_standing_order(record, now=moment),
            status=201,
            headers={"location": f"{PATH}/{standing_order_id(order)}"},
        )

    async def list(
        self,
        request: Request,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """The caller's standing orders, newest first; all of them for the office."""
        principal = _principal(request)
        most, place = read_limit(limit), read_before(before)
        async with self._database.reading() as connection:
            if place is not None and not await self._may_see(connection, place, principal):
                # The place in the list is its row's; without the row there is none to go on from.
                raise before_invalid()
            now = await self._chain_now(connection)
            found = await list_standing_orders(
                connection,
                self._settings.chain_id,
                account_id=None if _sees_all(principal) else principal.account_id,
                before=place,
                limit=most + 1,
            )
        page, next_cursor = cut_page(found, most, lambda one: standing_order_id(one.order))
        documents = [write_standing_order(record, now=now) for record in page]
        return json_of(page_document(documents, next_cursor=next_cursor))

    async def read(self, request: Request, standing_order_id: str) -> Response:
        """One standing order."""
        order_hash = read_standing_order_id(standing_order_id)
        async with self._database.reading() as connection:
            record, now = await self._read(connection, order_hash, _principal(request))
        return json_of(write_standing_order(record, now=now))

    async def _read(
        self, connection: Connection, order_hash: bytes, principal: Principal
    ) -> tuple[StandingRecord, int]:
        """Somebody else's is as good as none: ids of others shall not be found out."""
        record = await self._may_see(connection, order_hash, principal)
        if record is None:
            raise standing_order_not_found()
        return record, await self._chain_now(connection)

    async def _may_see(
        self, connection: Connection, order_hash: bytes, principal: Principal
    ) -> StandingRecord | None:
        record = await read_standing_order(connection, self._settings.chain_id, order_hash)
        if record is None or _sees_all(principal):
            return record
        return record if record.order.account_id == principal.account_id else None

    async def _require_room(self, connection: Connection, principal: Principal) -> None:
        count = await count_of_account(
            connection, self._settings.chain_id, principal.account_id, now=int(self._clock())
        )
        if count >= MAX_PER_ACCOUNT:
            raise RejectedError(
                "too_many_standing_orders",
                f"an account has at most {MAX_PER_ACCOUNT} standing orders at a time",
            )

    async def _chain_now(self, connection: Connection) -> int:
        cursor = await read_cursor(connection, self._settings.chain_id)
        if cursor is None:
            raise UnavailableError("ledger_empty", "the indexer has not registered its chain yet")
        return cursor.tip_timestamp


def _principal(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


def _sees_all(principal: Principal) -> bool:
    return principal.has(Role.ADMIN, Role.FINANCE)
