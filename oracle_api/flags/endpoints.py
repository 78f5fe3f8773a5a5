"""The routes about flags: an admin lists, acknowledges and clears them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, StringConstraints

from ledger.errors import RejectedError
from ledger.store.flags import (
    STATUSES,
    Flag,
    acknowledge_flag,
    clear_flag,
    list_flags,
    read_flag,
)
from ledger.store.pool import Connection
from oracle_api.audit_log.actor import actor_of
from oracle_api.database import Database
from oracle_api.flags.documentation import ACKNOWLEDGE_FLAG, CLEAR_FLAG, LIST_FLAGS, READ_FLAG
from oracle_api.forms import ONE_LINE, StrictRequest
from oracle_api.pages import (
    MAX_CURSOR,
    cut_page,
    is_id,
    page_document,
    read_before,
    read_limit,
    read_status,
)
from oracle_api.responses import json_of
from oracle_api.times import Clock, rfc3339, to_datetime


class ClearRequest(StrictRequest):
    """Why a flag is closed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "the till was restarted too often"}]},
    )

    note: Annotated[str, StringConstraints(max_length=500, pattern=ONE_LINE)] | None = None


def flags_router(database: Database, clock: Clock) -> APIRouter:
    """The routes, around the process's one database."""
    router = APIRouter(prefix="/api/v1/flags", tags=["flags"])
    routes = FlagRoutes(database, clock)
    router.add_api_route("", routes.list, methods=["GET"], **LIST_FLAGS)
    router.add_api_route("/{flag_id}", routes.read, methods=["GET"], **READ_FLAG)
    router.add_api_route(
        "/{flag_id}/acknowledge", routes.acknowledge, methods=["POST"], **ACKNOWLEDGE_FLAG
    )
    router.add_api_route("/{flag_id}/clear", routes.clear, methods=["POST"], **CLEAR_FLAG)
    return router


class FlagRoutes:
    """Each opens the transaction that it works in."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def list(
        self,
        status: Annotated[str | None, Query(max_length=20)] = None,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """Flags, newest first."""
        wanted = read_status(status, known=STATUSES)
        count, before_id = read_limit(limit), read_before(before, prefix="flg")
        async with self._database.reading() as connection:
            found = await list_flags(
                connection, status=wanted, before_id=before_id, limit=count + 1
            )
        page, next_cursor = cut_page(found, count, lambda one: one.id)
        return json_of(page_document([_document(one) for one in page], next_cursor=next_cursor))

    async def read(self, flag_id: str) -> Response:
        """One flag."""
        async with self._database.reading() as connection:
            return json_of(_document(await _existing(connection, flag_id)))

    async def acknowledge(self, request: Request, flag_id: str) -> Response:
        """Say that somebody is looking: no more alerts, the count goes on."""
        by, now = request.state.principal.account_id, to_datetime(self._clock())
        async with self._database.writing() as connection:
            await _existing(connection, flag_id)
            flag = await acknowledge_flag(connection, flag_id, by=by, now=now)
            return await _moved(connection, request, flag, action="flag.acknowledged", now=now)

    async def clear(
        self, request: Request, flag_id: str, body: ClearRequest | None = None
    ) -> Response:
        """Close a flag: the next failures raise a new one."""
        by, now = request.state.principal.account_id, to_datetime(self._clock())
        note = None if body is None else body.note
        async with self._database.writing() as connection:
            await _existing(connection, flag_id)
            flag = await clear_flag(connection, flag_id, by=by, note=note, now=now)
            return await _moved(connection, request, flag, action="flag.cleared", now=now)


async def _moved(
    connection: Connection, request: Request, flag: Flag | None, *, action: str, now: datetime
) -> Response:
    """Write down who moved the flag, and answer with it."""
    if flag is None:
        raise RejectedError("flag_not_standing", "somebody was faster", param="id")
    details = {"subject": flag.subject, "reason": flag.reason, "note": flag.note}
    await actor_of(request).note(connection, action, flag.id, details, now=now)
    return json_of(_document(flag))


async def _existing(connection: Connection, flag_id: str) -> Flag:
    flag = await read_flag(connection, flag_id) if is_id(flag_id, prefix="flg") else None
    if flag is None:
        raise RejectedError("flag_not_found", "there is no such flag", param="id")
    return flag


def _document(flag: Flag) -> dict[str, Any]:
    return {
        "id": flag.id,
        "object": "flag",
        "subject": flag.subject,
        "reason": flag.reason,
        "status": flag.status,
        "failures": flag.failures,
        "raisedAt": rfc3339(flag.raised_at),
        "lastSeenAt": rfc3339(flag.last_seen_at),
        "acknowledgedAt": flag.acknowledged_at and rfc3339(flag.acknowledged_at),
        "acknowledgedBy": flag.acknowledged_by,
        "clearedAt": flag.cleared_at and rfc3339(flag.cleared_at),
        "clearedBy": flag.cleared_by,
        "note": flag.note,
    }
