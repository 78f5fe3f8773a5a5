"""Puts jobs into Postgres, in the transaction of what causes them."""

from datetime import timedelta
from typing import Final

import orjson
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    DBSettings,
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import Durability
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver

from ledger.store.pool import Connection
from oracle_api.jobs.work import Payload

MAX_PAYLOAD_BYTES: Final = 64 * 1024
"""A job names what it is about; whatever is larger belongs into a table."""

# All of it said here: the library would else read names as common as CHANNEL and TRIGGER from the
# environment. They are those of migration 0007.
SETTINGS: Final = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    trigger="tg_pgqueuer_changed",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    statistics_table="pgqueuer_statistics",
    schedules_table="pgqueuer_schedules",
    queue_status_type="pgqueuer_status",
    durability=Durability.durable,
)


def queries_over(driver: Driver) -> Queries:
    """The library's statements, over the tables of migration 0007."""
    return Queries(
        driver,
        QueryBuilderEnvironment(SETTINGS),
        QueryQueueBuilder(SETTINGS),
        QuerySchedulerBuilder(SETTINGS),
    )


class _LedgerDriver(AsyncpgDriver):
    """The library's driver over a connection of ours, whose codec for JSON takes objects.

    The library sends JSON as text; so the server turns it into JSON, not the codec.
    """

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return await super().fetch(query.replace("::jsonb[]", "::text[]::jsonb[]"), *args)


async def enqueue(
    connection: Connection,
    name: str,
    payload: Payload,
    *,
    delay_seconds: float = 0.0,
    once_key: str | None = None,
) -> None:
    """Put a job into the queue; it is there if, and only if, the caller's transaction commits.

    A job with the `once_key` of one that still waits or is being done is left out: it may only be
    used where the job looks for itself what there is to do.
    """
    body = orjson.dumps(payload)
    if len(body) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a job's payload may have at most {MAX_PAYLOAD_BYTES} bytes")
    await queries_over(_LedgerDriver(connection)).enqueue(
        name,
        body,
        execute_after=timedelta(seconds=delay_seconds),
        dedupe_key=None if once_key is None else f"{name}:{once_key}",
        on_conflict="skip",
    )
