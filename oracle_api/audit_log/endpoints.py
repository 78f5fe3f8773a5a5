"""`GET /api/v1/audit-log`: the entries and their hashes, for whoever checks the chain elsewhere."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from ledger.audit_chain import ChainedEntry, moment_text
from ledger.errors import RejectedError
from ledger.store.audit_log import read_audit_page
from oracle_api.audit_log.documentation import LIST_AUDIT_LOG
from oracle_api.database import Database
from oracle_api.forms import ONE_LINE
from oracle_api.pages import MAX_CURSOR, cut_page, page_document, read_limit
from oracle_api.responses import json_of

PATH: Final = "/api/v1/audit-log"
_MAX_DIGITS: Final = 18

Whose = Annotated[str | None, Query(max_length=64, pattern=ONE_LINE)]


def audit_log_router(database: Database) -> APIRouter:
    """The route, around the process's one database."""
    router = APIRouter(tags=["audit log"])

    async def read_audit_log(
        actor: Whose = None,
        subject: Whose = None,
        limit: Annotated[str | None, Query(max_length=4)] = None,
        before: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    ) -> Response:
        """Entries, newest first."""
        count = read_limit(limit)
        async with database.reading() as connection:
            found = await read_audit_page(
                connection,
                before_seq=_read_seq(before),
                actor=actor,
                subject=subject,
                limit=count + 1,
            )
        page, next_cursor = cut_page(found, count, lambda one: str(one.seq))
        return json_of(
            page_document([entry_document(one) for one in page], next_cursor=next_cursor)
        )

    router.add_api_route(PATH, read_audit_log, methods=["GET"], **LIST_AUDIT_LOG)
    return router


def entry_document(chained: ChainedEntry) -> dict[str, Any]:
    """An entry as it goes over the wire; docs/auditor.md says how its hash is made."""
    entry = chained.entry
    return {
        "object": "audit_entry",
        "seq": chained.seq,
        "at": moment_text(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "details": dict(entry.details),
        "requestId": entry.request_id,
        "previousHash": chained.previous_hash.hex(),
        "hash": chained.hash.hex(),
    }


def _read_seq(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise RejectedError("before_invalid", "before must be an entry's seq", param="before")
    return int(text)
