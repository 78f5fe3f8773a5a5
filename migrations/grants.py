"""What the oracle's own database role may do: read the ledger, write what is its own, no more."""

from typing import Final

import asyncpg

_APPEND: Final = ("INSERT",)
_CHANGE: Final = ("UPDATE",)
_WRITE: Final = ("INSERT", "UPDATE")
_KEEP_HOUSE: Final = ("INSERT", "UPDATE", "DELETE")

ORACLE_RIGHTS: Final[dict[str, tuple[str, ...]]] = {
    # What the indexer has proven, and the audit log, whose functions append for the oracle.
    "audit_entry": (),
    "audit_head": (),
    "block": (),
    "chain": (),
    "contract_event": (),
    "evidence": (),
    "exposure_entry": _APPEND,  # cancelling refreshes an order, which may take an exposure back
    "followed_contract": (),
    "observation": (),
    "payment": (),
    "payment_proof": (),
    "posting": (),
    "refund_claim": (),
    "transfer": (),
    # What is never taken back.
    "attestation": _APPEND,
    "collection_attempt": _APPEND,
    "event": _APPEND,
    "refund_entry": _APPEND,
    "refund_transaction": _APPEND,
    "relay_transaction": _APPEND,
    "standing_order": _APPEND,
    # What changes; points themselves only the indexer moves.
    "coupon": _CHANGE,
    "loyalty_account": _CHANGE,  # which locking needs
    "account": _WRITE,
    "api_key": _WRITE,
    "flag": _WRITE,
    "journal": _WRITE,
    "orders": _WRITE,
    "refund": _WRITE,
    "relay_submission": _WRITE,
    "relayer": _WRITE,
    # What goes when its time is over, or when its owner says so.
    "idempotency": _KEEP_HOUSE,
    "refresh_token": _KEEP_HOUSE,
    "session": _KEEP_HOUSE,
    "pgqueuer": _KEEP_HOUSE,
    "pgqueuer_log": _KEEP_HOUSE,
    "pgqueuer_schedules": _KEEP_HOUSE,
    "pgqueuer_statistics": _KEEP_HOUSE,
    "wallet": _KEEP_HOUSE,
    "wallet_challenge": _KEEP_HOUSE,
    "webhook_attempt": _KEEP_HOUSE,
    "webhook_delivery": _KEEP_HOUSE,
    "webhook_endpoint": _KEEP_HOUSE,
    "webhook_secret": _KEEP_HOUSE,
}
"""Beside SELECT, which it has on every table here; a table that is not here stays closed."""

_ORACLE_FUNCTIONS: Final = (
    "audit_lock()",
    "audit_append(bigint, timestamptz, text, text, text, jsonb, text, bytea, bytea)",
)


async def grant_oracle_role(database_url: str, role: str) -> None:
    """Give an existing role what the oracle needs, and take away everything else it had.

    Run by the owner of the tables after each migration; repeating it changes nothing.

    Raises:
        asyncpg.UndefinedObjectError: there is no such role.
    """
    connection = await asyncpg.connect(database_url)
    try:
        name = await connection.fetchval("SELECT quote_ident($1)", role)
        async with connection.transaction():
            for statement in _statements(name):
                await connection.execute(statement)
    finally:
        await connection.close()


def _statements(role: str) -> list[str]:
    statements = [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    ]
    for table, rights in ORACLE_RIGHTS.items():
        statements.append(f"GRANT {', '.join(('SELECT', *rights))} ON public.{table} TO {role}")
    statements += [f"GRANT EXECUTE ON FUNCTION {one} TO {role}" for one in _ORACLE_FUNCTIONS]
    return statements
