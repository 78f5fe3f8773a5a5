"""What partners ask to be sent, or sent again: a ping, a delivery, a range of events."""

from datetime import datetime, timedelta
from typing import Final

from ledger.errors import RejectedError
from ledger.store.idempotency import IdempotencyKey
from ledger.store.journal import read_last_seq
from ledger.store.pool import Connection
from ledger.store.webhook_log import (
    Delivery,
    count_replayable,
    find_first_seq,
    insert_ping,
    read_delivery,
    redeliver,
    replay,
)
from ledger.store.webhooks import wake
from oracle_api.idempotency import Claim, claim
from oracle_api.webhooks.message import PING
from oracle_api.webhooks.requests import ReplayRequest, delivery_not_found, read_place
from oracle_api.webhooks.service import Caller, WebhookService

MAX_REPLAY_EVENTS: Final = 10_000
MAX_REPLAY_SPAN: Final = 200_000
"""Events of the whole journal that a replay may have to look through."""


class AgainService:
    """The rules about deliveries; each works in the caller's transaction."""

    def __init__(self, webhooks: WebhookService) -> None:
        self._webhooks = webhooks

    async def ping(
        self, connection: Connection, caller: Caller, endpoint_id: str, key: IdempotencyKey | None
    ) -> tuple[Delivery, Claim]:
        """Send an event that means nothing; also whether the same request had done so before.

        Raises:
            RejectedError: `webhook_not_found`, `webhook_disabled` or an `idempotency_key_...`.
        """
        await self._webhooks.find_enabled(connection, caller, endpoint_id)
        now, new_id = self._webhooks.now(), self._webhooks.new_id("whd")
        claimed = await claim(connection, key, new_id=new_id, now=now)
        if not claimed.is_replayed:
            await insert_ping(
                connection, claimed.id, endpoint_id=endpoint_id, event_type=PING, now=now
            )
            await wake(connection)
        return await _existing_delivery(connection, endpoint_id, claimed.id), claimed

    async def redeliver(
        self, connection: Connection, caller: Caller, endpoint_id: str, delivery_id: str
    ) -> Delivery:
        """Begin a new series of attempts."""
        await self._webhooks.find_enabled(connection, caller, endpoint_id)
        await _existing_delivery(connection, endpoint_id, delivery_id)
        await redeliver(connection, endpoint_id, delivery_id, now=self._webhooks.now())
        await wake(connection)
        return await _existing_delivery(connection, endpoint_id, delivery_id)

    async def replay(
        self, connection: Connection, caller: Caller, endpoint_id: str, request: ReplayRequest
    ) -> int:
        """Send the events of a range again, those too that were never sent; returns how many.

        Raises:
            RejectedError: `replay_too_large`, `replay_range_invalid` and others.
        """
        await self._webhooks.find_enabled(connection, caller, endpoint_id)
        last_seq = await read_last_seq(connection)
        first, last = await _range(connection, request, last_seq)
        count = 0
        if last - first < MAX_REPLAY_SPAN:
            count = await count_replayable(
                connection,
                endpoint_id,
                first_seq=first,
                last_seq=last,
                limit=MAX_REPLAY_EVENTS,
            )
        if count > MAX_REPLAY_EVENTS or last - first >= MAX_REPLAY_SPAN:
            raise RejectedError(
                "replay_too_large",
                f"ask for a shorter range: at most {MAX_REPLAY_EVENTS} events at once",
                param="from",
            )
        await replay(
            connection, endpoint_id, first_seq=first, last_seq=last, now=self._webhooks.now()
        )
        await wake(connection)
        return count


async def _existing_delivery(
    connection: Connection, endpoint_id: str, delivery_id: str
) -> Delivery:
    delivery = await read_delivery(connection, endpoint_id, delivery_id)
    if delivery is None:
        raise delivery_not_found()
    return delivery


async def _range(connection: Connection, request: ReplayRequest, last_seq: int) -> tuple[int, int]:
    """The numbers of the first and the last event of a range, both included."""
    start = read_place(request.start, param="from")
    first = (
        # An id that is none yet may be of more digits than the journal has.
        min(max(start, 1), last_seq + 1)
        if isinstance(start, int)
        else await find_first_seq(connection, start, last_seq=last_seq)
    )
    if request.end is None:
        return first, last_seq
    end = read_place(request.end, param="to")
    if _is_before(end, start):
        raise _range_reversed()
    last = (
        min(end, last_seq)
        if isinstance(end, int)
        # Everything before the moment after it: several events may have the same time.
        else await find_first_seq(connection, end + timedelta(microseconds=1), last_seq=last_seq)
        - 1
    )
    if last < first - 1:
        raise _range_reversed()
    return first, last


def _is_before(end: int | datetime, start: int | datetime) -> bool:
    """Also where no event lies between them; an event and a moment are compared by their events."""
    if isinstance(end, int):
        return isinstance(start, int) and end < start
    return isinstance(start, datetime) and end < start


def _range_reversed() -> RejectedError:
    return RejectedError("replay_range_invalid", "from must not be after to", param="to")
