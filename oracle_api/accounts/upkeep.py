"""Forgets sessions, idempotency keys and challenges whose time is over."""

import structlog

from ledger.store.idempotency import forget_keys
from ledger.store.sessions import forget_sessions
from ledger.store.wallets import forget_challenges
from oracle_api.jobs.work import JobContext
from oracle_api.times import to_datetime

log = structlog.get_logger()


async def forget_what_is_over(context: JobContext) -> None:
    """Delete what could not be used any more anyway."""
    now = to_datetime(context.clock())
    async with context.database.writing(needs_ledger=False) as connection:
        keys = await forget_keys(connection, now=now)
        sessions = await forget_sessions(connection, before=now)
        challenges = await forget_challenges(connection, now=now)
    log.info(
        "what was over is forgotten", idempotencyKeys=keys, sessions=sessions, challenges=challenges
    )
