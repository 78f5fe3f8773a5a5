"""Webhook endpoints and their secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.store.pool import Connection

CHANNEL = "billcoin_webhooks"

# Two requests at once must not both find room for the last endpoint.
LOCK_ACCOUNT = "SELECT pg_advisory_xact_lock(hashtextextended('webhooks ' || $1, 0))"

COUNT = "SELECT count(*) FROM webhook_endpoint WHERE account_id = $1"

INSERT = """
INSERT INTO webhook_endpoint (
    id, account_id, url, event_types, description, enabled, cursor, created_at
)
SELECT $1, $2, $3, $4, $5, true, last_seq, $6 FROM journal
"""

_COLUMNS = """
SELECT id, account_id, url, event_types, description, enabled, disabled_reason,
       disabled_at, failing_since, created_at
FROM webhook_endpoint
"""

READ = _COLUMNS + "WHERE id = $1"

READ_TO_CHANGE = READ + " FOR UPDATE"

LIST = (
    _COLUMNS
    + """
WHERE ($1::text IS NULL OR account_id = $1) AND ($2::text IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""
)

CHANGE = """
UPDATE webhook_endpoint SET url = $2, event_types = $3, description = $4 WHERE id = $1
"""

# What happened while it was off is not sent by itself: a partner asks for it by a replay.
ENABLE = """
UPDATE webhook_endpoint
SET enabled = true, disabled_reason = NULL, disabled_at = NULL, failing_since = NULL,
    cursor = (SELECT last_seq FROM journal)
WHERE id = $1 AND NOT enabled
"""

DISABLE = """
UPDATE webhook_endpoint SET enabled = false, disabled_reason = $2, disabled_at = $3
WHERE id = $1 AND enabled
RETURNING id
"""

WORKS = (
    "UPDATE webhook_endpoint SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL"
)

FAILS = """
UPDATE webhook_endpoint SET failing_since = coalesce(failing_since, $2) WHERE id = $1
RETURNING failing_since
"""

DELETE = "DELETE FROM webhook_endpoint WHERE id = $1"

ADD_SIGNING = """
INSERT INTO webhook_secret (id, endpoint_id, kind, sealed, created_at) VALUES ($1, $2, $3, $4, $5)
"""

# The one in use until `$2`; one that was rotated out before ends now, so that two are the most.
EXPIRE_SECRETS = """
UPDATE webhook_secret
SET expires_at = least(
    expires_at, CASE WHEN expires_at IS NULL THEN $2::timestamptz ELSE $3::timestamptz END
)
WHERE endpoint_id = $1
"""

READ_SECRETS = """
SELECT id, endpoint_id, kind, sealed, created_at, expires_at FROM webhook_secret
WHERE endpoint_id = $1 AND (expires_at IS NULL OR expires_at > $2)
ORDER BY expires_at IS NULL DESC, created_at DESC
"""

LIST_SECRETS = """
SELECT id, endpoint_id, kind, sealed, created_at, expires_at FROM webhook_secret
WHERE id > $1 ORDER BY id LIMIT $2
"""

RESEAL = "UPDATE webhook_secret SET sealed = $2 WHERE id = $1 AND sealed = $3"

FORGET_SECRETS = "DELETE FROM webhook_secret WHERE expires_at <= $1"

NOTIFY = "SELECT pg_notify($1, '')"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an account wants events; no `event_types` means all of them."""

    id: str
    account_id: str
    url: str
    event_types: Sequence[str]
    description: str | None
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """What an endpoint's deliveries are signed with; `sealed` is encrypted."""

    id: str
    endpoint_id: str
    kind: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None


async def insert_endpoint(
    connection: Connection,
    endpoint_id: str,
    *,
    account_id: str,
    url: str,
    event_types: Sequence[str],
    description: str | None,
    now: datetime,
) -> None:
    """Write an endpoint that gets what the journal tells from now on."""
    await connection.execute(
        INSERT, endpoint_id, account_id, url, list(event_types), description, now
    )


async def count_endpoints(connection: Connection, account_id: str) -> int:
    """How many endpoints an account has; until the transaction ends nobody adds one."""
    await connection.execute(LOCK_ACCOUNT, account_id)
    count: int = await connection.fetchval(COUNT, account_id)
    return count


async def read_endpoint(
    connection: Connection, endpoint_id: str, *, to_change: bool = False
) -> Endpoint | None:
    """One endpoint, or None; `to_change` locks it until the transaction ends."""
    row = await connection.fetchrow(READ_TO_CHANGE if to_change else READ, endpoint_id)
    return None if row is None else Endpoint(*row)


async def list_endpoints(
    connection: Connection, *, account_id: str | None, before_id: str | None, limit: int
) -> list[Endpoint]:
    """Endpoints of an account, or of all for None, newest first."""
    rows = await connection.fetch(LIST, account_id, before_id, limit)
    return [Endpoint(*row) for row in rows]


async def change_endpoint(
    connection: Connection,
    endpoint_id: str,
    *,
    url: str,
    event_types: Sequence[str],
    description: str | None,
) -> None:
    """Give an endpoint another URL, filter or description."""
    await connection.execute(CHANGE, endpoint_id, url, list(event_types), description)


async def enable_endpoint(connection: Connection, endpoint_id: str) -> None:
    """Send to an endpoint again, from the journal's present end on."""
    await connection.execute(ENABLE, endpoint_id)


async def disable_endpoint(
    connection: Connection, endpoint_id: str, *, reason: str, now: datetime
) -> bool:
    """Send no more to an endpoint; False when nothing was sent to it anyway."""
    return await connection.fetchval(DISABLE, endpoint_id, reason, now) is not None


async def note_success(connection: Connection, endpoint_id: str) -> None:
    """An attempt was answered as it should be."""
    await connection.execute(WORKS, endpoint_id)


async def note_failure(
    connection: Connection, endpoint_id: str, *, now: datetime
) -> datetime | None:
    """An attempt failed; returns since when every one has, or None when the endpoint is gone."""
    since: datetime | None = await connection.fetchval(FAILS, endpoint_id, now)
    return since


async def delete_endpoint(connection: Connection, endpoint_id: str) -> None:
    """Delete an endpoint with its secrets and its deliveries."""
    await connection.execute(DELETE, endpoint_id)


async def insert_secret(
    connection: Connection,
    secret_id: str,
    *,
    endpoint_id: str,
    kind: str,
    sealed: bytes,
    now: datetime,
) -> None:
    """Sign with this secret from now on, besides those that there are."""
    await connection.execute(ADD_SIGNING, secret_id, endpoint_id, kind, sealed, now)


async def expire_secrets(
    connection: Connection, endpoint_id: str, *, at: datetime, now: datetime
) -> None:
    """Let the secret in use end at a moment, and one that it replaced before at once."""
    await connection.execute(EXPIRE_SECRETS, endpoint_id, at, now)


async def read_secrets(
    connection: Connection, endpoint_id: str, *, now: datetime
) -> list[SealedSecret]:
    """The secrets that are valid at a moment, newest first."""
    return [SealedSecret(*row) for row in await connection.fetch(READ_SECRETS, endpoint_id, now)]


async def list_secrets(connection: Connection, *, after_id: str, limit: int) -> list[SealedSecret]:
    """Secrets of all endpoints, by id."""
    return [SealedSecret(*row) for row in await connection.fetch(LIST_SECRETS, after_id, limit)]


async def reseal_secret(connection: Connection, secret: SealedSecret, sealed: bytes) -> None:
    """Write the same secret down in another encryption."""
    await connection.execute(RESEAL, secret.id, sealed, secret.sealed)


async def forget_expired_secrets(connection: Connection, *, now: datetime) -> None:
    """Delete the secrets that sign no more."""
    await connection.execute(FORGET_SECRETS, now)


async def wake(connection: Connection) -> None:
    """Tell the jobs processes, when this transaction commits, that there is something to send."""
    await connection.execute(NOTIFY, CHANNEL)
