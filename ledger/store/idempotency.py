"""Idempotency keys: what a repeated request made the first time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ledger.errors import RejectedError
from ledger.store.pool import Connection

KEPT: Final = timedelta(hours=24)
"""For so long the same key gives the same; then it is free again."""

PARAM: Final = "Idempotency-Key"

# Held until the transaction ends, however it ends: a process that dies leaves no key behind that
# is in flight for ever.
LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('idempotency ' || $1 || ' ' || $2, 0))"

# A key whose time is over is taken over as if it were not there.
CLAIM = """
INSERT INTO idempotency (account_id, key, request_digest, resource_id, claimed_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, key) DO UPDATE
SET request_digest = excluded.request_digest, resource_id = excluded.resource_id,
    claimed_at = excluded.claimed_at
WHERE idempotency.claimed_at <= $6
RETURNING resource_id
"""
READ = """
SELECT request_digest, resource_id FROM idempotency WHERE account_id = $1 AND key = $2
"""
FORGET = "DELETE FROM idempotency WHERE claimed_at <= $1"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An account's own name for a request; `request_digest` tells whether it asks for the same.

    The digest covers the route as well: one key is for one request, whatever that makes.
    """

    account_id: str
    key: str
    request_digest: bytes


async def claim_key(
    connection: Connection, key: IdempotencyKey, *, resource_id: str, now: datetime
) -> str | None:
    """Claim a key for what this transaction is about to make; None when it is to be made now.

    Otherwise the id of what the same request made before: answer with that. Call it before
    anything is written, in the transaction that writes it.

    Raises:
        RejectedError: `idempotency_key_in_flight` while another transaction has claimed the key
            and has not ended, `idempotency_key_reused` when it came with another request.
    """
    if not await connection.fetchval(LOCK, key.account_id, key.key):
        raise RejectedError(
            "idempotency_key_in_flight",
            "the first request with this Idempotency-Key is still being answered; try again",
            param=PARAM,
        )
    claimed = await connection.fetchval(
        CLAIM,
        key.account_id,
        key.key,
        key.request_digest,
        resource_id,
        now,
        now - KEPT,
    )
    if claimed is not None:
        return None
    row = await connection.fetchrow(READ, key.account_id, key.key)
    if row is None or row["request_digest"] != key.request_digest:
        raise key_reused()
    made: str = row["resource_id"]
    return made


def key_reused() -> RejectedError:
    """The refusal of a key that came with another request before."""
    return RejectedError(
        "idempotency_key_reused",
        "this Idempotency-Key was used with another request; send a new key",
        param=PARAM,
    )


async def forget_keys(connection: Connection, *, now: datetime) -> int:
    """Delete the keys whose time is over; returns how many."""
    status: str = await connection.execute(FORGET, now - KEPT)
    return int(status.rsplit(maxsplit=1)[-1])
