"""Which process sends to an endpoint: the one whose session holds the endpoint's advisory lock."""

from ledger.store.pool import Connection

TRY_LOCK = "SELECT pg_try_advisory_lock($1, hashtext($2))"
UNLOCK = "SELECT pg_advisory_unlock($1, hashtext($2))"

_NAMESPACE = 0x57484B53  # "WHKS"


async def try_lane(connection: Connection, endpoint_id: str) -> bool:
    """Try to be the one that sends to this endpoint, until it leaves or its session ends."""
    is_ours: bool = await connection.fetchval(TRY_LOCK, _NAMESPACE, endpoint_id)
    return is_ours


async def leave_lane(connection: Connection, endpoint_id: str) -> None:
    """Let another process send to this endpoint."""
    await connection.fetchval(UNLOCK, _NAMESPACE, endpoint_id)
