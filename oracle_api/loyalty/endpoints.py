"""The routes about points and coupons."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from oracle_api.access.principal import Principal
from oracle_api.audit_log.actor import actor_of
from oracle_api.database import Database
from oracle_api.idempotency import idempotency_key as key_of
from oracle_api.idempotency import replay_headers
from oracle_api.loyalty.documentation import BALANCE, COUPON_QR, USE_COUPON
from oracle_api.loyalty.requests import BalanceRequest, read_coupon_id
from oracle_api.loyalty.resource import write_coupon
from oracle_api.loyalty.service import LoyaltyService
from oracle_api.loyalty.students import Students
from oracle_api.orders.qr import qr_svg
from oracle_api.responses import json_of


def loyalty_router(database: Database, service: LoyaltyService, students: Students) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(prefix="/api/v1/loyalty", tags=["loyalty"])
    routes = LoyaltyRoutes(database, service, students)
    router.add_api_route("/balance", routes.balance, methods=["POST"], **BALANCE)
    router.add_api_route("/coupons/{coupon_id}/qr.svg", routes.qr, methods=["GET"], **COUPON_QR)
    router.add_api_route("/coupons/{coupon_id}/redeem", routes.use, methods=["POST"], **USE_COUPON)
    return router


class LoyaltyRoutes:
    """Each opens the transaction in which the service works."""

    def __init__(self, database: Database, service: LoyaltyService, students: Students) -> None:
        self._database = database
        self._service = service
        self._students = students

    async def balance(self, asked: BalanceRequest) -> Response:
        """A student's points and coupons; a student that is not known has none."""
        customer = self._students.customer(asked.studentId)
        async with self._database.reading() as connection:
            document = await self._service.balance(connection, customer, before_seq=asked.before)
        return json_of(document)

    async def qr(self, coupon_id: str) -> Response:
        """A usable coupon's id as a QR code, which the till scans."""
        coupon_id = read_coupon_id(coupon_id)
        async with self._database.reading() as connection:
            coupon = await self._service.usable(connection, coupon_id)
        return Response(
            qr_svg(coupon.id, title="Free milk coupon"),
            media_type="image/svg+xml",
            headers={"cache-control": "no-store"},
        )

    async def use(
        self,
        request: Request,
        coupon_id: str,
        idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        """Give one milk for a coupon; the same till may repeat it with the same key."""
        coupon_id = read_coupon_id(coupon_id)
        principal: Principal = request.state.principal
        route = f"POST /api/v1/loyalty/coupons/{coupon_id}/redeem"
        key = key_of(idempotency_key, principal, route=route, request=b"")
        async with self._database.writing() as connection:
            coupon, was_used = await self._service.use(
                connection, coupon_id, by=actor_of(request), key=key
            )
        return json_of(write_coupon(coupon), headers=replay_headers(is_replayed=was_used))
