"""Puts the oracle together: one database, one hub, the routes, and the edge around them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from ledger.errors import RejectedError
from oracle_api.access.entrance import build_entrance
from oracle_api.accounts.routers import access_routers
from oracle_api.alerts.slack import alert_of_flag
from oracle_api.attestations.endpoints import attestations_router
from oracle_api.attestations.service import Attestor, open_attestor
from oracle_api.audit_log.endpoints import audit_log_router
from oracle_api.batches.endpoints import batches_router
from oracle_api.budgets.allowance import Allowance
from oracle_api.budgets.policy import BudgetPolicy
from oracle_api.budgets.spending import spender_for
from oracle_api.catalogue.endpoints import catalogue_router
from oracle_api.database import Database
from oracle_api.edge import Edge
from oracle_api.flags.endpoints import flags_router
from oracle_api.flags.suspicion import Suspicion
from oracle_api.health.endpoints import HealthEndpoints
from oracle_api.loyalty.endpoints import loyalty_router
from oracle_api.loyalty.service import LoyaltyService
from oracle_api.loyalty.students import students_of
from oracle_api.malformed import refusal_of
from oracle_api.market.endpoints import market_router
from oracle_api.metrics import Metrics
from oracle_api.openapi import complete_openapi
from oracle_api.orders.endpoints import orders_router
from oracle_api.orders.resource import OrderWriter
from oracle_api.orders.service import OrderService
from oracle_api.payments.endpoints import PATH as VALIDATE_PATH
from oracle_api.payments.endpoints import ValidateEndpoint
from oracle_api.payments.evidence import LANES, EvidenceReader
from oracle_api.payments.service import Validation
from oracle_api.prices.endpoints import prices_router
from oracle_api.prices.service import Forecaster
from oracle_api.problems import Reply, UnavailableError, problem, problem_of
from oracle_api.proofs.endpoints import proofs_router
from oracle_api.refunds.endpoints import refunds_router
from oracle_api.refunds.service import RefundService
from oracle_api.relay.assembly import relay_of
from oracle_api.relay.endpoints import relay_router
from oracle_api.relay.service import Relay
from oracle_api.relay.waiting import Waiting
from oracle_api.settings import Settings
from oracle_api.slow_readers import SlowReaders
from oracle_api.standing_orders.endpoints import standing_orders_router
from oracle_api.stream.endpoints import PATH as STREAM_PATH
from oracle_api.stream.endpoints import StreamEndpoint
from oracle_api.stream.feed import Feeds
from oracle_api.stream.hub import Hub, StreamLimits
from oracle_api.stream.listener import Listener
from oracle_api.stream.snapshot import Snapshots
from oracle_api.stream.socket import PATH as SOCKET_PATH
from oracle_api.stream.socket import SocketEndpoint, ask_to_upgrade
from oracle_api.till.routes import router as till_router
from oracle_api.times import Clock
from oracle_api.visitor import Door
from oracle_api.webhooks.endpoints import webhooks_router
from oracle_api.x402.endpoints import x402_router
from oracle_api.x402.facilitator import Facilitator


class Oracle:
    """The oracle as an ASGI application."""

    def __init__(self, settings: Settings, *, clock: Clock, stream_limits: StreamLimits) -> None:
        self._settings = settings
        self._database = Database(str(settings.database_url), settings.deployment)
        self.hub = Hub(stream_limits)
        self.slow_readers = SlowReaders()
        self._entrance = build_entrance(settings, self._database, clock)
        self._spender = spender_for(settings)
        self._suspicion = Suspicion(
            settings, self._spender, self._database, clock, tell=alert_of_flag
        )
        metrics = Metrics(self.hub, self.slow_readers)
        self._listener = Listener(self._database, self.hub, metrics.orders)
        self._reader = EvidenceReader(self._database)
        attestor = open_attestor(settings, self._database, metrics, clock)
        self.api = _api(*self._routers(clock, attestor))
        self._add_economy(clock)
        self._relay = self._add_relay(clock)
        for router in access_routers(
            settings, self._database, self._entrance, self._spender, clock
        ):
            self.api.include_router(router)
        self.api.router.lifespan_context = self._lifespan
        health = HealthEndpoints(self._database, self.hub, settings.limits, clock, metrics)
        feeds = self._feeds(clock)
        self._edge = Edge(
            self.api,
            direct={
                ("POST", VALIDATE_PATH): self._validate(clock, attestor, metrics),
                **health.routes(),
                ("GET", SOCKET_PATH): ask_to_upgrade,
            },
            streams={("GET", STREAM_PATH): StreamEndpoint(feeds)},
            sockets={("GET", SOCKET_PATH): SocketEndpoint(feeds)},
            metrics=metrics,
            door=Door(settings.oracle_names),
            gate=self._entrance.gate,
            allowance=Allowance(BudgetPolicy(settings), self._spender),
        )

    def _validate(
        self, clock: Clock, attestor: Attestor | None, metrics: Metrics
    ) -> ValidateEndpoint:
        limits = self._settings.limits
        validation = Validation(self._database, self._reader, self.hub, limits, clock)
        wait_seconds = self._settings.max_wait_seconds
        return ValidateEndpoint(
            validation, self._suspicion, metrics, attestor, max_wait_seconds=wait_seconds
        )

    def _feeds(self, clock: Clock) -> Feeds:
        snapshots = Snapshots(
            self._database,
            self.hub,
            OrderWriter(self._settings.deployment),
            clock,
            order_ttl_seconds=self._settings.order_ttl_seconds,
        )
        return Feeds(self._database, self.hub, snapshots, clock)

    def _add_economy(self, clock: Clock) -> None:
        settings, database = self._settings, self._database
        for router in (
            batches_router(database, chain_id=settings.chain_id),
            market_router(database, chain_id=settings.chain_id),
            prices_router(database, Forecaster(), chain_id=settings.chain_id),
            standing_orders_router(settings, database, clock),
        ):
            self.api.include_router(router)

    def _add_relay(self, clock: Clock) -> Relay | None:
        relay = relay_of(self._settings, self._database, clock)
        waiting = Waiting(self._database, self.hub)
        self.api.include_router(relay_router(self._settings, relay, waiting))
        facilitator = None
        if relay is not None:
            facilitator = Facilitator(self._settings, self._database, relay, waiting)
        self.api.include_router(x402_router(self._settings, facilitator))
        return relay

    def _routers(self, clock: Clock, attestor: Attestor | None) -> list[APIRouter]:
        """The routes that FastAPI serves, all around the process's one database and hub."""
        settings, database = self._settings, self._database
        students = students_of(settings)
        orders = OrderService(settings, clock, students)
        return [
            orders_router(settings, database, orders, self.hub),
            catalogue_router(settings),
            proofs_router(database, chain_id=settings.chain_id),
            attestations_router(attestor),
            loyalty_router(database, LoyaltyService(clock), students),
            refunds_router(database, RefundService(settings, clock), chain_id=settings.chain_id),
            webhooks_router(settings, database, clock),
            flags_router(database, clock),
            audit_log_router(database),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's start and stop."""
        await self._edge(scope, receive, send)

    def close_streams(self) -> None:
        """End every stream and wait, since the server stops."""
        self.hub.close()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await self._database.open()
        work = [self._listener.run(), self.hub.beat(), self._suspicion.run()]
        work += [self._reader.run_lane() for _ in range(LANES)]
        if self._relay is not None:
            work.append(self._relay.stay_connected())
        tasks = [asyncio.create_task(one) for one in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._entrance.passwords.close()
            await self._spender.close()
            await self._database.close()


def create_oracle(
    settings: Settings, *, clock: Clock = time.time, stream_limits: StreamLimits | None = None
) -> Oracle:
    """The oracle for these settings; `clock` gives Unix seconds."""
    return Oracle(settings, clock=clock, stream_limits=stream_limits or StreamLimits())


def _api(*routers: APIRouter) -> FastAPI:
    # No documentation pages: FastAPI's load scripts from a foreign host.
    api = FastAPI(
        title="BillCoin Pay oracle",
        version=version("billcoin-pay"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(_require_admission)],
    )
    for router in (*routers, till_router):
        api.include_router(router)
    api.add_exception_handler(RejectedError, _on_refusal)
    api.add_exception_handler(UnavailableError, _on_refusal)
    api.add_exception_handler(RequestValidationError, _on_malformed)
    api.add_exception_handler(HTTPException, _on_http_error)
    api.add_exception_handler(Exception, _on_refusal)
    complete_openapi(api)
    return api


async def _require_admission(request: Request) -> None:
    """Make sure that the router found the route for which the gate let the request in."""
    if request.scope["route"].path != request.state.rule.path:
        raise RejectedError("route_not_found", "there is no such route")


async def _on_refusal(request: Request, error: Exception) -> Response:
    return _response(problem_of(error, request_id=request.state.request_id))


async def _on_malformed(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return _response(problem_of(refusal_of(error.errors()), request_id=request.state.request_id))


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    codes = {400: "body_malformed", 404: "route_not_found", 405: "method_not_allowed"}
    reply = problem(
        error.status_code,
        codes.get(error.status_code, "request_invalid"),
        error.detail,
        request_id=request.state.request_id,
    )
    response = _response(reply)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _response(reply: Reply) -> Response:
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, status_code=reply.status, headers=headers)
