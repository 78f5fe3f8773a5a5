"""Appends to the audit log, reads it, and checks it from its first entry to its last."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from ledger.audit_chain import AuditEntry, ChainCheck, ChainedEntry, Tampering, follow
from ledger.store.pool import Connection

# Both run with the owner's rights (migration 0012): the oracle's role may not touch the tables.
LOCK_HEAD = "SELECT last_seq, last_hash FROM audit_lock()"
APPEND = "SELECT audit_append($1, $2, $3, $4, $5, $6, $7, $8, $9)"

READ_HEAD = "SELECT last_seq, last_hash FROM audit_head"

READ_PAGE = """
SELECT seq, at, actor, action, subject, details, request_id, previous_hash, hash
FROM audit_entry
WHERE seq < $1 AND ($2::text IS NULL OR actor = $2) AND ($3::text IS NULL OR subject = $3)
ORDER BY seq DESC LIMIT $4
"""

READ_ONWARDS = """
SELECT seq, at, actor, action, subject, details, request_id, previous_hash, hash
FROM audit_entry WHERE seq > $1 ORDER BY seq LIMIT $2
"""

MAX_SEQ = 2**63 - 1
BATCH = 5_000


async def record_audit(connection: Connection, entry: AuditEntry) -> int:
    """Append an entry in the caller's transaction, with what it tells of; returns its number.

    Entries are written one after the other: the head stays locked until the transaction ends, so
    this comes last in it.
    """
    head = await connection.fetchrow(LOCK_HEAD)
    if head is None:
        raise LookupError("the audit log has no head")
    chained = follow(head["last_seq"], head["last_hash"], entry)
    await connection.execute(
        APPEND,
        chained.seq,
        entry.at,
        entry.actor,
        entry.action,
        entry.subject,
        dict(entry.details),
        entry.request_id,
        chained.previous_hash,
        chained.hash,
    )
    return chained.seq


async def read_audit_page(
    connection: Connection,
    *,
    before_seq: int | None,
    actor: str | None,
    subject: str | None,
    limit: int,
) -> Sequence[ChainedEntry]:
    """The newest entries first, of one actor or about one subject if asked for."""
    rows = await connection.fetch(READ_PAGE, before_seq or MAX_SEQ, actor, subject, limit)
    return [_chained(row) for row in rows]


async def read_audit_head(connection: Connection) -> tuple[int, bytes]:
    """The last entry's number and hash; 0 and zeros while the log is empty."""
    row = await connection.fetchrow(READ_HEAD)
    if row is None:
        raise LookupError("the audit log has no head")
    return row["last_seq"], row["last_hash"]


async def read_audit_batches(connection: Connection) -> AsyncIterator[Sequence[ChainedEntry]]:
    """The whole log from its first entry on, some thousands at a time."""
    after = 0
    while rows := await connection.fetch(READ_ONWARDS, after, BATCH):
        yield [_chained(row) for row in rows]
        after = rows[-1]["seq"]


async def check_audit_log(connection: Connection) -> tuple[int, bytes, Tampering | None]:
    """The head of the log and the first place where it was tampered with, if any.

    Whoever can rewrite the database can rewrite the whole chain: only a head that was written down
    elsewhere before (`expected` of the command) shows that. Call it in one snapshot.
    """
    check = ChainCheck()
    head_seq, head_hash = await read_audit_head(connection)
    async for batch in read_audit_batches(connection):
        if (found := check.read(batch)) is not None:
            return head_seq, head_hash, found
    return head_seq, head_hash, check.finish(head_seq=head_seq, head_hash=head_hash)


async def read_entry_hash(connection: Connection, seq: int) -> bytes | None:
    """The hash of one entry, to compare with one that was written down."""
    found: bytes | None = await connection.fetchval(
        "SELECT hash FROM audit_entry WHERE seq = $1", seq
    )
    return found


def _chained(row: asyncpg.Record) -> ChainedEntry:
    at: datetime = row["at"]
    details: dict[str, Any] = row["details"]
    entry = AuditEntry(at, row["actor"], row["action"], row["subject"], details, row["request_id"])
    return ChainedEntry(row["seq"], entry, row["previous_hash"], row["hash"])
