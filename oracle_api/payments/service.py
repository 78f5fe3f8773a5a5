"""Judges a question by the ledger, or says why it cannot."""

import asyncio
from dataclasses import dataclass

from ledger.confidence import Limits
from ledger.store.lookup import Evidence, order_exists
from ledger.verdict import Code, Verdict, judge
from oracle_api.confidence import require_confidence
from oracle_api.database import Database
from oracle_api.payments.evidence import EvidenceReader
from oracle_api.payments.question import Question
from oracle_api.stream.hub import Hub
from oracle_api.times import Clock


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict and the snapshot that it rests on."""

    verdict: Verdict
    evidence: Evidence


class Validation:
    """Answers questions; one per process."""

    def __init__(
        self, database: Database, reader: EvidenceReader, hub: Hub, limits: Limits, clock: Clock
    ) -> None:
        self._database = database
        self._reader = reader
        self._hub = hub
        self.waits = hub.waits
        self._limits = limits
        self._clock = clock

    async def answer(self, question: Question, *, wait_seconds: float = 0.0) -> Answer:
        """The verdict now or, while it may still become valid, within `wait_seconds`.

        A wait asks again only when the ledger has moved.

        Raises:
            UnavailableError: whatever makes us unsure; there is no verdict then.
        """
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while True:
            seen = self._hub.change_count
            answer = await self._answer_now(question)
            if not wait_seconds or not answer.verdict.is_retryable:
                return answer
            left = deadline - asyncio.get_running_loop().time()
            if not await self._hub.change_after(seen, timeout_seconds=left):
                return answer

    async def _answer_now(self, question: Question) -> Answer:
        evidence = await self._reader.read(question.tx_hash)
        require_confidence(
            evidence.observation,
            tip_number=evidence.depths.tip_number,
            tip_timestamp=evidence.depths.tip_timestamp,
            now=self._clock(),
            limits=self._limits,
        )
        verdict = judge(
            question.tx_hash,
            evidence.sighting,
            expected=question.expected,
            order_id=question.order_id,
            depths=evidence.depths,
        )
        if question.order_id is not None and verdict.status is None:
            async with self._database.reading() as connection:
                if not await order_exists(connection, question.order_id):
                    verdict = Verdict(Code.ORDER_NOT_FOUND, order_id=question.order_id)
        return Answer(verdict, evidence)
