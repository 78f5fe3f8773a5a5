"""Follows the journal, writes deliveries, opens a lane for each endpoint with something due."""

import asyncio
import contextlib
from typing import Any, Final

import structlog

from ledger.store.journal import CHANNEL as JOURNAL_CHANNEL
from ledger.store.leadership import connect_to_lead, show_life
from ledger.store.pool import Connection
from ledger.store.webhook_deliveries import (
    Reach,
    fan_out,
    find_endpoints_due,
    find_next_due,
    find_oldest_unattempted,
)
from ledger.store.webhook_lanes import leave_lane, try_lane
from ledger.store.webhooks import CHANNEL
from oracle_api.database import availability
from oracle_api.times import to_datetime
from oracle_api.webhooks.lane import Lane, LaneTools
from oracle_api.webhooks.metrics import BACKLOG

APPLICATION_NAME: Final = "billcoin-jobs-webhooks"
LANES: Final = 200
EVENTS_AT_ONCE: Final = 1_000
ENDPOINTS_AT_ONCE: Final = 200
LOOK_SECONDS: Final = 5.0
"""How often we look without having been told: a notification can be lost with its connection."""

SHORTEST_WAIT_SECONDS: Final = 0.05
GATHER_SECONDS: Final = 0.02
"""How long notifications are gathered: each look moves the cursor of every endpoint."""

LANE_PAUSE_SECONDS: Final = 5.0
"""A lane that failed by our own fault is opened again after this."""

GRACE_SECONDS: Final = 2.0
"""What attempts get to end when the process stops; what has not ended is attempted again."""

log = structlog.get_logger()


class Dispatcher:
    """One process's part; an advisory lock on a silent-proof session gives a lane to one alone."""

    def __init__(self, tools: LaneTools) -> None:
        self._tools = tools
        self._told = asyncio.Event()
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            UnavailableError: the database went away.
        """
        with availability():
            connection = await connect_to_lead(
                self._tools.database.url, application_name=APPLICATION_NAME
            )
        try:
            with availability():
                for channel in (JOURNAL_CHANNEL, CHANNEL):
                    await connection.add_listener(channel, self._on_notification)
                await self._while_alive(connection)
        finally:
            await self._close_lanes()
            connection.terminate()

    async def _while_alive(self, connection: Connection) -> None:
        life = asyncio.create_task(show_life(connection))
        work = asyncio.create_task(self._dispatch(connection))
        try:
            done, _ = await asyncio.wait({life, work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (life, work):
                task.cancel()
            await asyncio.gather(life, work, return_exceptions=True)
        for task in done:
            task.result()

    async def _dispatch(self, connection: Connection) -> None:
        while True:
            self._told.clear()
            reach = Reach(self._tools.open_account, to_datetime(self._tools.clock()))
            async with self._tools.database.writing() as writing:
                behind_count = await fan_out(
                    writing,
                    reach,
                    events_limit=EVENTS_AT_ONCE,
                    endpoints_limit=ENDPOINTS_AT_ONCE,
                )
            wait_seconds = await self._open_lanes(connection, reach)
            if not behind_count:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_seconds):
                        await self._told.wait()
                await asyncio.sleep(GATHER_SECONDS)

    async def _open_lanes(self, connection: Connection, reach: Reach) -> float:
        """Give every endpoint with something due its lane; returns when to look again."""
        async with self._tools.database.reading() as reading:
            due = await find_endpoints_due(
                reading, reach, but_not=self._lanes, limit=LANES - len(self._lanes)
            )
            following = await find_next_due(reading, reach)
            oldest = await find_oldest_unattempted(reading, reach)
        BACKLOG.set(0 if oldest is None else (reach.now - oldest).total_seconds())
        for endpoint_id in due:
            if await try_lane(connection, endpoint_id):
                self._lanes[endpoint_id] = Lane(endpoint_id, self._tools)
                task = asyncio.create_task(self._run_lane(connection, endpoint_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        if following is None:
            return LOOK_SECONDS
        until_then = (following - reach.now).total_seconds()
        return min(LOOK_SECONDS, max(SHORTEST_WAIT_SECONDS, until_then))

    async def _run_lane(self, connection: Connection, endpoint_id: str) -> None:
        lane = self._lanes[endpoint_id]
        try:
            await lane.run()
        except Exception:
            log.exception("a webhook's lane failed", endpoint=endpoint_id)
            await asyncio.sleep(0 if lane.is_closing else LANE_PAUSE_SECONDS)
        finally:
            # Whatever came while it ended is found by looking once more.
            del self._lanes[endpoint_id]
            self._told.set()
            with contextlib.suppress(Exception):
                await leave_lane(connection, endpoint_id)

    async def _close_lanes(self) -> None:
        for lane in self._lanes.values():
            lane.is_closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_notification(self, *_: Any) -> None:
        self._told.set()
