"""What a till shows, at one instant, written once for everyone who connects meanwhile."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

import orjson

from ledger.audience import Audience
from ledger.ids import sortable_id
from ledger.store.journal import read_last_seq
from ledger.store.orders import StoredOrder, list_settled
from ledger.store.pool import Connection
from oracle_api.database import Database
from oracle_api.orders.repository import list_by_status
from oracle_api.orders.resource import OPEN_STATUSES, OrderWriter
from oracle_api.stream.form import Message
from oracle_api.stream.hub import Hub
from oracle_api.stream.tail import Tail
from oracle_api.times import Clock, to_datetime

REUSE_EVENTS = 64
"""A snapshot this little behind is sent again, followed by the events since: a thousand tills
that reconnect together must not read the database a thousand times."""

SETTLED_SECONDS = 3600
"""A chain may settle an order before its milk is handed over: for so long it is still shown."""

MAX_SETTLED_ORDERS = 200


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A message that tells what a till shows as of event `seq` of the journal `tail`."""

    seq: int
    message: Message
    tail: Tail | None


class Snapshots:
    """Gives snapshots, as few as possible."""

    def __init__(
        self,
        database: Database,
        hub: Hub,
        writer: OrderWriter,
        clock: Clock,
        *,
        order_ttl_seconds: int,
    ) -> None:
        self._database = database
        self._hub = hub
        self._writer = writer
        self._clock = clock
        self._order_ttl_seconds = order_ttl_seconds
        self._latest: dict[Audience, Snapshot] = {}
        self._locks: defaultdict[Audience, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def take(self, audience: Audience) -> Snapshot:
        """A snapshot that the hub can continue from.

        Raises:
            UnavailableError: the database is away or not ready.
        """
        if audience.account_id is not None:
            # Few orders, and a client or two: nothing to share, and nothing to keep for each of
            # thousands of accounts.
            return await self._read(audience)
        async with self._locks[audience]:
            latest = self._latest.get(audience)
            if latest is None or not self._is_fresh(latest):
                latest = self._latest[audience] = await self._read(audience)
            return latest

    def _is_fresh(self, snapshot: Snapshot) -> bool:
        tail = self._hub.tail
        return (
            tail is not None
            and tail is snapshot.tail
            and tail.last_seq - snapshot.seq <= REUSE_EVENTS
            and tail.reaches_back_to(snapshot.seq)
        )

    async def _read(self, audience: Audience) -> Snapshot:
        limit, tail = self._hub.limits.snapshot_orders, self._hub.tail
        async with self._database.reading() as connection:
            seq = await read_last_seq(connection)
            orders = await list_by_status(
                connection, OPEN_STATUSES, before_id=None, limit=limit, audience=audience
            )
            settled = await self._lately_settled(connection, audience)
        document = {
            "asOf": seq,
            "orders": [self._writer.write(order) for order in (*orders.page, *settled)],
            "hasMore": orders.has_more,
        }
        return Snapshot(seq, Message("snapshot", orjson.dumps(document), seq), tail)

    async def _lately_settled(
        self, connection: Connection, audience: Audience
    ) -> list[StoredOrder]:
        since = self._clock() - SETTLED_SECONDS
        # Ids sort by their time: what is older than this cannot have been paid since.
        oldest = sortable_id(
            "ord",
            unix_milliseconds=int((since - self._order_ttl_seconds) * 1000),
            randomness=bytes(10),
        )
        return await list_settled(
            connection,
            since=to_datetime(since),
            after_id=oldest,
            limit=MAX_SETTLED_ORDERS,
            audience=audience,
        )
