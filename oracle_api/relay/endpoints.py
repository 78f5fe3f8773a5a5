"""The routes that take over authorisations and tell what became of them."""

import orjson
from fastapi import APIRouter, Request, Response

from oracle_api.orders.requests import read_order_id
from oracle_api.preference import applied, preferred_wait
from oracle_api.problems import CapabilityOffError
from oracle_api.relay.authorization import read_signed
from oracle_api.relay.documentation import SHOW, SHOW_PATH, SUBMIT, SUBMIT_PATH
from oracle_api.relay.requests import SubmitRequest, read_submission_id
from oracle_api.relay.resource import write_submission
from oracle_api.relay.service import Relay
from oracle_api.relay.service import Request as RelayRequest
from oracle_api.relay.waiting import Waiting
from oracle_api.settings import Settings


def relay_router(settings: Settings, relay: Relay | None, waiting: Waiting) -> APIRouter:
    """The routes; without a relay what was submitted before can still be read."""
    router = APIRouter(tags=["payments"])
    routes = RelayRoutes(settings, relay, waiting)
    router.add_api_route(SUBMIT_PATH, routes.submit, methods=["POST"], status_code=202, **SUBMIT)
    router.add_api_route(SHOW_PATH, routes.show, methods=["GET"], **SHOW)
    return router


class RelayRoutes:
    """Reads the request, lets the relay work, writes the answer."""

    def __init__(self, settings: Settings, relay: Relay | None, waiting: Waiting) -> None:
        self._settings = settings
        self._relay = relay
        self._waiting = waiting

    async def submit(self, request: Request, body: SubmitRequest) -> Response:
        """Broadcast a signed authorisation; the same one always gives the same submission."""
        relay = self._relay
        if relay is None:
            raise CapabilityOffError("relay", "this oracle pays no gas for others")
        order = await relay.read_order(read_order_id(body.orderId))
        signed = read_signed(
            owner=body.owner,
            to=order.address,
            value=body.value,
            valid_after=body.validAfter,
            valid_before=body.validBefore,
            nonce=body.nonce,
            signature=body.signature,
        )
        signed.require_signature(
            chain_id=self._settings.chain_id, token=self._settings.token_address
        )
        submission = await relay.submit(RelayRequest(order, signed))
        return await self._answer(request, submission.id, status=202)

    async def show(self, request: Request, submission_id: str) -> Response:
        """What became of a submission."""
        return await self._answer(request, read_submission_id(submission_id), status=200)

    async def _answer(self, request: Request, submission_id: str, *, status: int) -> Response:
        wanted = preferred_wait(request.headers.raw, max_seconds=self._settings.max_wait_seconds)
        with self._waiting.waits.hold_for(request.state.principal, wanted) as wait_seconds:
            standing = await self._waiting.standing(submission_id, wait_seconds=wait_seconds)
        headers = {name.decode(): value.decode() for name, value in applied(wait_seconds)}
        headers["cache-control"] = "no-store"
        if status == 202:  # noqa: PLR2004 - where the accepted work can be followed
            headers["location"] = SHOW_PATH.format(submission_id=submission_id)
        document = write_submission(standing.submission, standing.order.status)
        return Response(
            orjson.dumps(document),
            status_code=status,
            media_type="application/json",
            headers=headers,
        )
