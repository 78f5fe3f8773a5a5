"""`POST /api/v1/payments/validate`, the hot route: bytes in, bytes out."""

import time
from collections.abc import Mapping
from typing import Any

from ledger.errors import RejectedError
from oracle_api.attestations.service import Attestor
from oracle_api.flags.suspicion import Suspicion
from oracle_api.metrics import Metrics
from oracle_api.payments.answer import NO, write_answer
from oracle_api.payments.question import Question, read_question
from oracle_api.payments.service import Answer, Validation
from oracle_api.preference import applied, preferred_wait
from oracle_api.problems import JSON, CapabilityOffError, Reply, UnavailableError, problem_of
from oracle_api.request import DirectRequest

PATH = "/api/v1/payments/validate"

_HEADERS = ((b"content-type", JSON), (b"cache-control", b"no-store"))


class ValidateEndpoint:
    """Answers a validation; every answer has `valid`, `confirmedAt` and `error`."""

    def __init__(
        self,
        validation: Validation,
        suspicion: Suspicion,
        metrics: Metrics,
        attestor: Attestor | None,
        *,
        max_wait_seconds: float,
    ) -> None:
        self._validation = validation
        self._suspicion = suspicion
        self._metrics = metrics
        self._attestor = attestor
        self._max_wait_seconds = max_wait_seconds

    async def __call__(self, request: DirectRequest) -> Reply:
        """Answer one request; failures too are answers, so this raises nothing."""
        wanted_seconds = preferred_wait(request.headers, max_seconds=self._max_wait_seconds)
        with self._validation.waits.hold_for(request.principal, wanted_seconds) as wait_seconds:
            return await self._reply(request, wait_seconds)

    async def _reply(self, request: DirectRequest, wait_seconds: float) -> Reply:
        started = time.perf_counter()
        try:
            question = self._question(request.body)
            answer = await self._validation.answer(question, wait_seconds=wait_seconds)
            more = None
            if question.consumer is not None:
                more = await self._attested(answer, question.consumer, request)
        except (RejectedError, UnavailableError) as error:
            self._metrics.validations.labels(error.code).inc()
            return problem_of(error, request_id=request.id, more=refusal(error.code))
        if not wait_seconds:
            self._metrics.validation_latency.observe(time.perf_counter() - started)
        self._metrics.validations.labels(answer.verdict.code).inc()
        await self._suspicion.saw(request.principal, answer.verdict.code)
        return Reply(200, write_answer(answer, more=more), (*_HEADERS, *applied(wait_seconds)))

    def _question(self, body: bytes) -> Question:
        question = read_question(body)
        if question.consumer is not None and self._attestor is None:
            message = "this oracle signs no verdicts"
            raise CapabilityOffError("attestations", message, param="attest")
        return question

    async def _attested(
        self, answer: Answer, consumer: bytes, request: DirectRequest
    ) -> Mapping[str, Any]:
        if self._attestor is None:
            return {}
        account_id = request.principal.account_id or None
        signed = await self._attestor.attest(answer, consumer=consumer, account_id=account_id)
        return {"attestation": signed}


def refusal(code: str) -> Mapping[str, Any]:
    """US-004's three fields for an answer that is no verdict."""
    return {**NO, "error": code}
