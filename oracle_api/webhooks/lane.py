"""Everything that goes to one endpoint, a few attempts at once, while something is due."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from ledger.errors import CorruptError
from ledger.store.webhook_deliveries import (
    Attempt,
    DueDelivery,
    is_active,
    read_due,
    record_attempt,
)
from ledger.store.webhooks import (
    Endpoint,
    SealedSecret,
    disable_endpoint,
    note_failure,
    note_success,
    read_endpoint,
    read_secrets,
)
from oracle_api.access.keyring import Keyring
from oracle_api.database import Database
from oracle_api.times import Clock, to_datetime
from oracle_api.webhooks.message import message_of
from oracle_api.webhooks.metrics import ATTEMPTS, DISABLED
from oracle_api.webhooks.retries import DISABLE_AFTER, next_attempt
from oracle_api.webhooks.sealing import open_secret
from oracle_api.webhooks.sender import Outcome, Sender
from oracle_api.webhooks.signing import Secret, signed_headers

ATTEMPTS_AT_ONCE: Final = 4
"""At one endpoint; so events arrive nearly, but not always, in their order."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LaneTools:
    """What every lane works with; `open_account` is empty unless access is open."""

    database: Database
    sender: Sender
    keyring: Keyring
    clock: Clock
    open_account: str


@dataclass(frozen=True, slots=True)
class _Batch:
    endpoint: Endpoint
    secrets: Sequence[Secret]
    due: Sequence[DueDelivery]


class Lane:
    """The lane of one endpoint; what is slow there is slow for nobody else."""

    def __init__(self, endpoint_id: str, tools: LaneTools) -> None:
        self._endpoint_id = endpoint_id
        self._tools = tools
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self.is_closing = False

    async def run(self) -> None:
        """Attempt what is due until nothing is, or until told to close."""
        try:
            while not self.is_closing:
                batch = await self._read_batch(ATTEMPTS_AT_ONCE - len(self._under_way))
                if batch is not None:
                    for delivery in batch.due:
                        attempt = self._attempt(batch.endpoint, batch.secrets, delivery)
                        self._under_way[delivery.id] = asyncio.create_task(attempt)
                if not self._under_way:
                    return
                await self._wait(asyncio.FIRST_COMPLETED)
            while self._under_way:
                await self._wait(asyncio.ALL_COMPLETED)
        finally:
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _wait(self, until: str) -> None:
        await asyncio.wait(self._under_way.values(), return_when=until)
        for delivery_id, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[delivery_id]
                task.result()

    async def _read_batch(self, room: int) -> _Batch | None:
        """What to attempt now, by what endpoint and secrets are now; None when it is disabled."""
        now = to_datetime(self._tools.clock())
        async with self._tools.database.reading() as connection:
            endpoint = await read_endpoint(connection, self._endpoint_id)
            if endpoint is None or not await is_active(
                connection, self._tools.open_account, self._endpoint_id
            ):
                return None
            sealed = await read_secrets(connection, self._endpoint_id, now=now)
            due = await read_due(
                connection, self._endpoint_id, now=now, but_not=self._under_way, limit=room
            )
        return _Batch(endpoint, self._open(sealed), due)

    def _open(self, sealed: Sequence[SealedSecret]) -> list[Secret]:
        """The secrets to sign with; one of them will do, where the other's key is lost."""
        secrets, lost = [], None
        for row in sealed:
            try:
                secrets.append(open_secret(self._tools.keyring, row))
            except CorruptError as error:
                lost = error
        if lost is not None and not secrets:
            raise lost
        return secrets

    async def _attempt(
        self, endpoint: Endpoint, secrets: Sequence[Secret], delivery: DueDelivery
    ) -> None:
        message = message_of(delivery)
        now = to_datetime(self._tools.clock())
        headers = signed_headers(message.id, now, message.body, secrets)
        began = time.perf_counter()
        outcome = await self._tools.sender.send(endpoint.url, message.body, headers, now=now)
        attempt = Attempt(
            delivery.id,
            delivery.attempt_count + 1,
            now,
            round((time.perf_counter() - began) * 1000),
            outcome.status_code,
            outcome.error,
        )
        await self._record(delivery, attempt, outcome, to_datetime(self._tools.clock()))

    async def _record(
        self, delivery: DueDelivery, attempt: Attempt, outcome: Outcome, now: datetime
    ) -> None:
        following = None
        if not outcome.is_delivered and not outcome.is_gone:
            following = next_attempt(
                delivery.step,
                now=now,
                retry_after=outcome.retry_after,
                chance=random.random,
            )
        status = "delivered" if outcome.is_delivered else "pending" if following else "failed"
        async with self._tools.database.writing() as connection:
            # The endpoint's row first, as the routes do: two orders would be a deadlock.
            reason = None
            if outcome.is_delivered:
                await note_success(connection, self._endpoint_id)
            elif outcome.is_gone:
                reason = "gone"
            else:
                since = await note_failure(connection, self._endpoint_id, now=now)
                reason = "failing" if since and now - since >= DISABLE_AFTER else None
            is_disabled = reason is not None and await disable_endpoint(
                connection, self._endpoint_id, reason=reason, now=now
            )
            await record_attempt(
                connection,
                attempt,
                series=delivery.series,
                status=status,
                next_attempt_at=following,
                finished_at=None if following else now,
            )
        ATTEMPTS.labels({"pending": "retried"}.get(status, status)).inc()
        if is_disabled:
            DISABLED.labels(reason).inc()
            log.warning("a webhook is disabled", endpoint=self._endpoint_id, reason=reason)
