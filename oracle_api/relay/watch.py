"""Follows what was broadcast until it is final: sends again, replaces, fills gaps, finds out."""

import asyncio
from collections.abc import Sequence

import structlog

from ledger.errors import TransientError
from ledger.json_hex import to_hex
from ledger.store.journal import notify
from ledger.store.relay_nonces import RelayTransaction, transactions_of
from ledger.store.relay_submissions import (
    Sight,
    StoredSubmission,
    list_open,
    mark_seen,
)
from oracle_api.database import Database
from oracle_api.relay.metrics import RelayMetrics
from oracle_api.relay.node import Head, RelayNode
from oracle_api.relay.nonces import NonceKeeper
from oracle_api.relay.sighting import look
from oracle_api.times import Clock, to_datetime

MAX_OPEN = 2_000
"""How many submissions one pass looks at, the oldest first."""

AT_ONCE = 16
"""How many of them at the same time: a node is no load test."""

log = structlog.get_logger()


class RelayWatch:
    """Follows every submission whose fate is not final.

    Any number may run: they only repeat each other's questions. What a pass decides it writes
    under the lock of what it is about, and a signed transaction may be sent twice.
    """

    def __init__(
        self,
        database: Database,
        node: RelayNode,
        keeper: NonceKeeper,
        clock: Clock,
        metrics: RelayMetrics,
        *,
        poll_seconds: float,
    ) -> None:
        self._database = database
        self._node = node
        self._keeper = keeper
        self._clock = clock
        self._metrics = metrics
        self._poll_seconds = poll_seconds

    async def run(self) -> None:
        """Pass after pass, for ever; whatever fails is tried again by the next one."""
        while True:
            try:
                await self.one_pass()
            except TransientError as error:
                self._metrics.passes.labels("failed").inc()
                log.warning("the relay cannot be watched", detail=str(error))
            except Exception:
                self._metrics.passes.labels("failed").inc()
                log.exception("watching the relay failed")
            else:
                self._metrics.passes.labels("done").inc()
            await asyncio.sleep(self._poll_seconds)

    async def one_pass(self) -> None:
        """Look at everything once.

        Raises:
            TransientError: the node or the database does not answer.
        """
        head = await self._node.head()
        relayer = self._keeper.relayer
        self._metrics.see_balance(relayer, await self._node.balance_wei(relayer))
        try:
            await self._follow(head)
        finally:
            # One submission that cannot be looked at holds up no other's transaction.
            await self._keeper.keep(head)

    async def _follow(self, head: Head) -> None:
        chain_id = self._keeper.chain_id
        async with self._database.reading() as connection:
            open_ = await list_open(connection, chain_id, limit=MAX_OPEN)
            signed = await transactions_of(connection, [one.id for one in open_])
        self._metrics.see_open(open_, head)
        turn = asyncio.Semaphore(AT_ONCE)

        async def follow_one(submission: StoredSubmission) -> None:
            async with turn:
                await self._follow_one(submission, signed[submission.id], head)

        # All of them even if one fails: nobody's payment waits for somebody else's.
        results = await asyncio.gather(*map(follow_one, open_), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error

    async def _follow_one(
        self, submission: StoredSubmission, signed: Sequence[RelayTransaction], head: Head
    ) -> None:
        sight = await look(self._node, submission, signed, head)
        if _is_news(submission, sight):
            async with self._database.writing() as connection:
                await mark_seen(connection, submission.id, sight, now=to_datetime(self._clock()))
                await notify(connection, tip_number=None, last_seq=None)
            self._metrics.see(submission, sight)
            log.info(
                "a submission moved",
                submissionId=submission.id,
                before=submission.status,
                status=sight.status,
                foreign=sight.is_foreign,
                final=sight.is_final,
                txHash=sight.tx_hash and to_hex(sight.tx_hash),
            )
        if sight.block_number is None and not sight.is_final:
            await self._keeper.renew_if_lost(submission, signed, head, sight)


def _is_news(submission: StoredSubmission, sight: Sight) -> bool:
    """Whether the chain shows something else than was written; a block's change is news too."""
    return sight.is_final or (submission.status, submission.block_hash) != (
        sight.status,
        sight.block_hash,
    )
