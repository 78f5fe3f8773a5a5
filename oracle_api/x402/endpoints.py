"""The facilitator's three verbs; their common path is the facilitator URL of x402 clients."""

from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response

from contracts import billcoin
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from oracle_api.problems import UnavailableError, problem_of
from oracle_api.responses import json_of
from oracle_api.settings import Settings
from oracle_api.x402.documentation import SETTLE, SUPPORTED, VERIFY
from oracle_api.x402.facilitator import Facilitator, require_facilitator
from oracle_api.x402.message import SCHEME, VERSION, MalformedError, network_of, read_payment
from oracle_api.x402.reasons import reason_of

PREFIX: Final = "/api/v1/x402"

_VERIFY_FAILED: Final = "unexpected_verify_error"
_SETTLE_FAILED: Final = "unexpected_settle_error"


def x402_router(settings: Settings, facilitator: Facilitator | None) -> APIRouter:
    """The routes; without a relay nothing is supported."""
    router = APIRouter(prefix=PREFIX, tags=["x402"])
    routes = X402Routes(settings, facilitator)
    router.add_api_route("/supported", routes.supported, methods=["GET"], **SUPPORTED)
    router.add_api_route("/verify", routes.verify, methods=["POST"], **VERIFY)
    router.add_api_route("/settle", routes.settle, methods=["POST"], **SETTLE)
    return router


class X402Routes:
    """Reads the message, lets the facilitator work, answers in the specification's words."""

    def __init__(self, settings: Settings, facilitator: Facilitator | None) -> None:
        self._deployment = settings.deployment
        self._network = network_of(settings.chain_id)
        self._facilitator = facilitator

    async def supported(self) -> Response:
        """What this facilitator settles."""
        if self._facilitator is None:
            return json_of({"kinds": [], "extensions": [], "signers": {}})
        kind = {
            "x402Version": VERSION,
            "scheme": SCHEME,
            "network": self._network,
            "extra": {"name": billcoin.DOMAIN_NAME, "version": billcoin.DOMAIN_VERSION},
        }
        signers = {"eip155:*": [self._facilitator.signer]}
        return json_of({"kinds": [kind], "extensions": [], "signers": signers})

    async def verify(self, request: Request) -> Response:
        """Whether a payment would be settled."""
        body = await request.body()
        payer = _payer_of(body)
        try:
            payment = read_payment(body, self._deployment)
            await require_facilitator(self._facilitator).verify(payment)
        except MalformedError as error:
            more = {"isValid": False, "invalidReason": error.code}
            return _problem(request, error, more)
        except RejectedError as error:
            reason = reason_of(error, otherwise=_VERIFY_FAILED)
            return json_of(
                {"isValid": False, "invalidReason": reason, "invalidMessage": str(error)} | payer
            )
        except UnavailableError as error:
            more = {"isValid": False, "invalidReason": _VERIFY_FAILED} | payer
            return _problem(request, error, more)
        return json_of({"isValid": True} | payer)

    async def settle(self, request: Request) -> Response:
        """Broadcast a payment, once however often it is asked for, and wait for it."""
        body = await request.body()
        told = {"transaction": "", "network": self._network} | _payer_of(body)
        try:
            payment = read_payment(body, self._deployment)
            settlement = await require_facilitator(self._facilitator).settle(payment)
        except MalformedError as error:
            return _problem(request, error, {"success": False, "errorReason": error.code} | told)
        except RejectedError as error:
            reason = reason_of(error, otherwise=_SETTLE_FAILED)
            return json_of(
                {"success": False, "errorReason": reason, "errorMessage": str(error)} | told
            )
        except UnavailableError as error:
            more = {"success": False, "errorReason": _SETTLE_FAILED} | told
            return _problem(request, error, more)
        told["transaction"] = "" if settlement.tx_hash is None else to_hex(settlement.tx_hash)
        if settlement.reason is None:
            return json_of({"success": True, "amount": payment.value} | told)
        failure = {"errorReason": settlement.reason, "errorMessage": settlement.message}
        return json_of({"success": False} | failure | told)


def _payer_of(body: bytes) -> dict[str, str]:
    """Who pays, as far as the body says; the specification wants it in refusals too."""
    try:
        payer = orjson.loads(body)["paymentPayload"]["payload"]["authorization"]["from"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return {}
    return {"payer": payer} if isinstance(payer, str) and len(payer) <= 100 else {}  # noqa: PLR2004


def _problem(request: Request, error: Exception, more: dict[str, Any]) -> Response:
    """A problem document that has the specification's fields as well."""
    reply = problem_of(error, request_id=request.state.request_id, more=more)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, status_code=reply.status, headers=headers)
