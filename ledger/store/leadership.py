"""Who may write the ledger: the one session that holds the advisory lock."""

from ledger.store.pool import Connection

# Two 32-bit keys: ours, and the chain's id folded into 31 bits.
TRY_LOCK = "SELECT pg_try_advisory_lock($1, $2)"

_NAMESPACE = 0x42494C4C  # "BILL"


async def try_lead(connection: Connection, chain_id: int) -> bool:
    """Try to become the leader for this chain; leadership lasts as long as the session.

    The leader writes on this same connection, so that losing the lock is losing the pen.
    """
    leads: bool = await connection.fetchval(TRY_LOCK, _NAMESPACE, chain_id & 0x7FFFFFFF)
    return leads
