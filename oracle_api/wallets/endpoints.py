"""`/api/v1/wallets`: link a wallet by signing in with it, list and unlink one's own."""

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, StringConstraints, WithJsonSchema

from ledger.errors import RejectedError
from ledger.payment_uri import parse_address
from ledger.store.wallets import StoredWallet, list_wallets
from oracle_api.access.settings import is_loopback
from oracle_api.database import Database
from oracle_api.forms import ADDRESS, StrictRequest
from oracle_api.pages import page_document
from oracle_api.responses import json_of
from oracle_api.times import rfc3339
from oracle_api.visitor import host_name
from oracle_api.wallets.documentation import CHALLENGE, LINK, LIST, UNLINK
from oracle_api.wallets.service import Visit, WalletService

PATH: Final = "/api/v1/wallets"

# What may stand in an authority without changing what a wallet shows (RFC 3986).
_DOMAIN: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?")


class ChallengeRequest(StrictRequest):
    """The wallet that is to be linked."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"address": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"}]},
    )

    address: Annotated[str, StringConstraints(max_length=64), WithJsonSchema(ADDRESS)]


class LinkRequest(StrictRequest):
    """The answer to a challenge."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"nonce": "3f9d2c6e8a1b4d5f7c903f9d2c6e8a1b", "signature": "0x" + "3c" * 64 + "1b"}
            ]
        },
    )

    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    signature: Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{130}$")]


def wallets_router(database: Database, service: WalletService) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(prefix=PATH, tags=["wallets"])
    routes = WalletRoutes(database, service)
    router.add_api_route("/challenge", routes.challenge, methods=["POST"], **CHALLENGE)
    router.add_api_route("", routes.link, methods=["POST"], **LINK)
    router.add_api_route("", routes.list, methods=["GET"], **LIST)
    router.add_api_route("/{wallet_id}", routes.unlink, methods=["DELETE"], **UNLINK)
    return router


class WalletRoutes:
    """Each opens the transactions in which the service works."""

    def __init__(self, database: Database, service: WalletService) -> None:
        self._database = database
        self._service = service

    async def challenge(self, request: Request, body: ChallengeRequest) -> Response:
        """A message for the wallet to sign; it counts once, and for five minutes."""
        address = parse_address(body.address, param="address")
        async with self._database.writing(needs_ledger=False) as connection:
            made = await self._service.challenge(connection, _visit(request), address)
        document = {
            "nonce": made.nonce,
            "message": made.message,
            "expiresAt": rfc3339(made.expires_at),
        }
        return json_of(document, status=201)

    async def link(self, request: Request, body: LinkRequest) -> Response:
        """Link the wallet that signed a challenge."""
        visit, signature = _visit(request), bytes.fromhex(body.signature[2:])
        # Committed by itself, so that a challenge is gone whatever comes of it.
        async with self._database.writing(needs_ledger=False) as connection:
            proven = await self._service.take(connection, visit, body.nonce, signature)
        if proven is None:
            raise self._service.unanswered()
        async with self._database.writing(needs_ledger=False) as connection:
            wallet = await self._service.link(connection, visit, proven)
        return json_of(self._document(wallet), status=201)

    async def list(self, request: Request) -> Response:
        """One's own wallets, newest first."""
        async with self._database.reading() as connection:
            found = await list_wallets(connection, request.state.principal.account_id)
        return json_of(page_document([self._document(one) for one in found], next_cursor=None))

    async def unlink(self, request: Request, wallet_id: str) -> Response:
        """Forget a wallet of one's own."""
        async with self._database.writing(needs_ledger=False) as connection:
            await self._service.unlink(connection, _visit(request), wallet_id)
        return Response(status_code=204)

    def _document(self, wallet: StoredWallet) -> dict[str, Any]:
        return {
            "id": wallet.id,
            "object": "wallet",
            "address": self._service.masked(wallet),
            "linkedAt": rfc3339(wallet.linked_at),
        }


def _visit(request: Request) -> Visit:
    host = request.headers.get("host", "")
    if _DOMAIN.fullmatch(host) is None:
        raise RejectedError("host_unknown", "a wallet must see under what name it signs in")
    is_secure = not is_loopback(host_name(host.encode()))
    return Visit(request.state.principal.account_id, host, is_secure, request.state.request_id)
