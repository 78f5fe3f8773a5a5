"""All open orders at one instant, written once for everyone who connects meanwhile."""

import asyncio
from dataclasses import dataclass

import orjson

from ledger.store.journal import read_last_seq
from oracle_api.database import Database
from oracle_api.orders.repository import list_by_status
from oracle_api.orders.resource import OPEN_STATUSES, OrderWriter
from oracle_api.stream.hub import Hub
from oracle_api.stream.tail import write_message

REUSE_EVENTS = 64
"""A snapshot this little behind is sent again, followed by the events since: a thousand tills
that reconnect together must not read the database a thousand times."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A message that tells every open order as of event `seq`."""

    seq: int
    message: bytes


class Snapshots:
    """Gives snapshots, as few as possible."""

    def __init__(self, database: Database, hub: Hub, writer: OrderWriter) -> None:
        self._database = database
        self._hub = hub
        self._writer = writer
        self._latest: Snapshot | None = None
        self._lock = asyncio.Lock()

    async def take(self) -> Snapshot:
        """A snapshot that the hub can continue from.

        Raises:
            UnavailableError: the database is away or not ready.
        """
        async with self._lock:
            if self._latest is None or not self._is_fresh(self._latest):
                self._latest = await self._read()
            return self._latest

    def _is_fresh(self, snapshot: Snapshot) -> bool:
        tail = self._hub.tail
        return (
            tail is not None
            and tail.last_seq - snapshot.seq <= REUSE_EVENTS
            and tail.reaches_back_to(snapshot.seq)
        )

    async def _read(self) -> Snapshot:
        limit = self._hub.limits.snapshot_orders
        async with self._database.reading() as connection:
            seq = await read_last_seq(connection)
            orders = await list_by_status(connection, OPEN_STATUSES, before_id=None, limit=limit)
        document = {
            "asOf": seq,
            "orders": [self._writer.write(order) for order in orders.page],
            "hasMore": orders.has_more,
        }
        return Snapshot(seq, write_message("snapshot", orjson.dumps(document), seq=seq))
