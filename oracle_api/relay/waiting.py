"""Holds a request until a relayed payment has counted, or never will."""

import asyncio
from dataclasses import dataclass

from ledger.order import Status
from ledger.store.orders import StoredOrder, read_order_by_id
from ledger.store.relay_submissions import StoredSubmission, SubmissionStatus, read_submission
from oracle_api.database import Database
from oracle_api.relay.requests import submission_not_found
from oracle_api.stream.hub import Hub

_UNDECIDED_ORDER = frozenset(
    {Status.AWAITING_PAYMENT, Status.UNDERPAID, Status.DETECTED, Status.REVERSED}
)
_UNDECIDED_SUBMISSION = frozenset(
    {SubmissionStatus.ACCEPTED, SubmissionStatus.BROADCAST, SubmissionStatus.INCLUDED}
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A submission and its order at one instant."""

    submission: StoredSubmission
    order: StoredOrder

    @property
    def is_decided(self) -> bool:
        """Whether waiting longer could not turn this into a paid order."""
        return (
            self.order.status not in _UNDECIDED_ORDER
            or self.submission.status not in _UNDECIDED_SUBMISSION
        )

    @property
    def is_paid(self) -> bool:
        """Whether the order may be handed over, as its confirmation policy wants."""
        return self.order.status in {Status.PAID, Status.SETTLED}


class Waiting:
    """Reads submissions, now or as soon as they are decided."""

    def __init__(self, database: Database, hub: Hub) -> None:
        self._database = database
        self._hub = hub
        self.waits = hub.waits

    async def standing(self, submission_id: str, *, wait_seconds: float) -> Standing:
        """A submission and its order; looks again only when the ledger has moved.

        Raises:
            RejectedError: `submission_not_found`.
        """
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while True:
            seen = self._hub.change_count
            standing = await self._read(submission_id)
            left = deadline - asyncio.get_running_loop().time()
            if standing.is_decided or left <= 0:
                return standing
            if not await self._hub.change_after(seen, timeout_seconds=left):
                return await self._read(submission_id)

    async def _read(self, submission_id: str) -> Standing:
        async with self._database.reading() as connection:
            submission = await read_submission(connection, submission_id)
            if submission is None:
                raise submission_not_found()
            order = await read_order_by_id(connection, submission.order_id)
        if order is None:
            raise submission_not_found()
        return Standing(submission, order)
