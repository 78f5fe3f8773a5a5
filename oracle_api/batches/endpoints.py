"""The routes about batches."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from ledger.attribution import attribute
from ledger.errors import RejectedError
from ledger.order import Depths, Payment
from ledger.store.batches import list_batches, read_batch, read_supply_changes
from ledger.store.cursor import read_cursor
from ledger.store.payment_proofs import read_batch_proof
from ledger.store.pool import Connection
from oracle_api.access.audience import audience_of
from oracle_api.batches.documentation import LIST, OF_ORDER, PROOF, READ
from oracle_api.batches.requests import (
    batch_not_found,
    read_batch_id,
    read_party,
    read_place,
    write_place,
)
from oracle_api.batches.resource import write_attribution, write_batch
from oracle_api.database import Database
from oracle_api.orders.repository import PaidOrder, read_with_payments
from oracle_api.orders.requests import order_not_found, read_order_id
from oracle_api.pages import MAX_CURSOR, cut_page, page_document, read_limit
from oracle_api.problems import UnavailableError
from oracle_api.responses import JSON_TYPE, json_of

MAX_SUPPLY_CHANGES: Final = 200_000
"""Transactions that minted or burned BILL, over which one order is attributed."""


def batches_router(database: Database, *, chain_id: int) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(tags=["economy"])
    routes = BatchRoutes(database, chain_id)
    router.add_api_route("/api/v1/batches", routes.list, methods=["GET"], **LIST)
    router.add_api_route("/api/v1/batches/{batch_id}", routes.read, methods=["GET"], **READ)
    router.add_api_route("/api/v1/batches/{batch_id}/proof", routes.proof, methods=["GET"], **PROOF)
    router.add_api_route(
        "/api/v1/orders/{order_id}/batches", routes.of_order, methods=["GET"], **OF_ORDER
    )
    return router


class BatchRoutes:
    """Reads only: what is told was proven by the indexer."""

    def __init__(self, database: Database, chain_id: int) -> None:
        self._database = database
        self._chain_id = chain_id

    async def list(
        self,
        dairy: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """Accepted batches, newest first."""
        whose, most, place = read_party(dairy, param="dairy"), read_limit(limit), read_place(before)
        async with self._database.reading() as connection:
            depths = await read_depths(connection, self._chain_id)
            found = await list_batches(
                connection, self._chain_id, dairy=whose, before=place, limit=most + 1
            )
        page, next_cursor = cut_page(found, most, write_place)
        return json_of(
            page_document([write_batch(item, depths) for item in page], next_cursor=next_cursor)
        )

    async def read(self, batch_id: str) -> Response:
        """One batch."""
        wanted = read_batch_id(batch_id)
        async with self._database.reading() as connection:
            depths = await read_depths(connection, self._chain_id)
            found = await read_batch(
                connection, self._chain_id, dairy=wanted.dairy, batch_id=wanted.batch_id
            )
        if found is None:
            raise batch_not_found()
        return json_of(write_batch(found, depths))

    async def proof(self, batch_id: str) -> Response:
        """The Merkle proof of the transaction that had the batch accepted."""
        wanted = read_batch_id(batch_id)
        async with self._database.reading() as connection:
            stored = await read_batch_proof(
                connection, self._chain_id, dairy=wanted.dairy, batch_id=wanted.batch_id
            )
        if stored is None:
            raise batch_not_found()
        if not stored.is_stored:
            raise UnavailableError("proof_pending", "the proof is being made; try again")
        if stored.document is None:
            raise RejectedError(
                "proof_not_kept", "its block is too large for a proof to be kept", param="id"
            )
        return Response(stored.document, media_type=JSON_TYPE)

    async def of_order(self, request: Request, order_id: str) -> Response:
        """The batches behind a paid order, pro rata of what was in circulation at its block."""
        order_id = read_order_id(order_id)
        async with self._database.reading() as connection:
            audience = audience_of(request.state.principal)
            found = await read_with_payments(connection, order_id, audience)
            if found is None:
                raise order_not_found()
            covering = _covering(found)
            changes = await read_supply_changes(
                connection,
                self._chain_id,
                until_number=covering.block_number,
                limit=MAX_SUPPLY_CHANGES + 1,
            )
        if len(changes) > MAX_SUPPLY_CHANGES:
            raise RejectedError(
                "attribution_too_large",
                f"more than {MAX_SUPPLY_CHANGES} transactions changed the supply before this sale",
                param="id",
            )
        sold = found.order.amount_due
        # A long history takes a while to go through, and others shall not wait for it.
        attribution = await asyncio.to_thread(attribute, changes, sold)
        return json_of(
            write_attribution(
                order_id,
                attribution,
                sold=sold,
                block_number=covering.block_number,
                block_hash=covering.block_hash,
            )
        )


async def read_depths(connection: Connection, chain_id: int) -> Depths:
    """How deep the ledger stands.

    Raises:
        UnavailableError: `ledger_empty`.
    """
    cursor = await read_cursor(connection, chain_id)
    if cursor is None:
        raise UnavailableError("ledger_empty", "the indexer has not registered its chain yet")
    return cursor.depths


def _covering(found: PaidOrder) -> Payment:
    """The payment with which all that is due had come."""
    received = 0
    for payment in found.payments:
        received += payment.amount
        if received >= found.order.amount_due:
            return payment
    raise RejectedError(
        "order_not_paid", "nothing was sold yet: the order is not paid in full", param="id"
    )
