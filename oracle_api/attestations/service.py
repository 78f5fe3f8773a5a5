"""Signs a verdict that is a yes, and notes it before anybody is given it."""

import asyncio
from typing import Any, Final

import structlog

from ledger.attestation import Attestation, attestation_digest, domain_separator
from ledger.order_address import order_key
from ledger.store.attestations import record_attestation
from ledger.units import Units
from ledger.verification import Verification
from oracle_api.attestations.keys import KeyRing, open_key_ring
from oracle_api.attestations.resource import write_attestation, write_signers
from oracle_api.attestations.signer import SignerFaultError, sign_checked
from oracle_api.database import Database
from oracle_api.metrics import Metrics
from oracle_api.payments.service import Answer
from oracle_api.problems import UnavailableError
from oracle_api.settings import Settings
from oracle_api.times import Clock, to_datetime

SIGN_TIMEOUT_SECONDS: Final = 5.0
"""How long a signer elsewhere may take."""

_ISSUES_PER_LIFETIME: Final = 10
"""Times of issue are rounded down to this part of a lifetime, so that whoever asks again, of any
replica, gets the same attestation, and the record does not grow with each question."""

log = structlog.get_logger()


def open_attestor(
    settings: Settings, database: Database, metrics: Metrics, clock: Clock
) -> "Attestor | None":
    """What signs, if the settings name keys.

    Raises:
        RejectedError: `setting_wrong`.
    """
    keys = open_key_ring(settings)
    verifier = settings.attestation_verifier_address
    if keys is None or verifier is None:
        return None
    return Attestor(
        settings, keys, verifier=verifier, database=database, metrics=metrics, clock=clock
    )


class Attestor:
    """Signs for one deployment and one verifier contract."""

    def __init__(
        self,
        settings: Settings,
        keys: KeyRing,
        *,
        verifier: bytes,
        database: Database,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._deployment = settings.deployment
        self._lifetime_seconds = settings.attestation_ttl_seconds
        self._keys = keys
        self._signer = keys.signer
        self._verifier = verifier
        self._separator = domain_separator(
            chain_id=self._deployment.chain_id, verifier=self._verifier
        )
        self._database = database
        self._metrics = metrics
        self._clock = clock

    async def attest(
        self, answer: Answer, *, consumer: bytes, account_id: str | None
    ) -> dict[str, Any] | None:
        """The signed attestation of a yes; None of a no, which is never signed.

        A no holds for a question and a moment, and a careless reader of signed answers would take
        it for a yes. Nor is anything signed that was not proven by ourselves.

        Raises:
            UnavailableError: `attestation_unavailable`, or the database's; nothing was signed
                that anybody could get hold of.
        """
        observation = answer.evidence.observation
        if (
            not answer.verdict.is_valid
            or observation is None
            or observation.verification is not Verification.FULL
        ):
            return None
        attestation = self._attestation(answer, consumer)
        digest = attestation_digest(attestation, separator=self._separator)
        signature = await self._sign(digest)
        order_id = str(answer.verdict.order_id)
        async with self._database.writing() as connection:
            await record_attestation(
                connection,
                attestation,
                digest=digest,
                chain_id=self._deployment.chain_id,
                verifier=self._verifier,
                signer=self._signer.address,
                order_id=order_id,
                account_id=account_id,
                now=to_datetime(self._clock()),
            )
        self._metrics.attestations.labels("signed").inc()
        log.info("attestation signed", orderId=order_id, digest=digest.hex())
        return write_attestation(
            attestation,
            chain_id=self._deployment.chain_id,
            verifier=self._verifier,
            digest=digest,
            signature=signature,
            signer=self._signer.address,
        )

    def describe(self) -> dict[str, Any]:
        """Whose word our attestations are, and under which domain."""
        return write_signers(
            self._keys.known,
            signing=self._signer.address,
            chain_id=self._deployment.chain_id,
            verifier=self._verifier,
            lifetime_seconds=self._lifetime_seconds,
        )

    def _attestation(self, answer: Answer, consumer: bytes) -> Attestation:
        verdict = answer.verdict
        candidate = next(
            one for one in answer.evidence.sighting.candidates if one.order.id == verdict.order_id
        )
        if verdict.payment is None or verdict.finality is None:
            raise ValueError("a yes without a payment")
        step = self._lifetime_seconds // _ISSUES_PER_LIFETIME
        issued_at = int(self._clock()) // step * step
        return Attestation(
            order_key=order_key(candidate.order.id),
            tx_hash=verdict.payment.tx_hash,
            block_number=verdict.payment.block_number,
            block_hash=verdict.payment.block_hash,
            token=self._deployment.token,
            treasury=self._deployment.treasury,
            amount_due=candidate.order.amount_due,
            amount_received=Units(sum(payment.amount for payment in candidate.payments)),
            finality=verdict.finality,
            consumer=consumer,
            issued_at_seconds=issued_at,
            expires_at_seconds=issued_at + self._lifetime_seconds,
        )

    async def _sign(self, digest: bytes) -> bytes:
        try:
            async with asyncio.timeout(SIGN_TIMEOUT_SECONDS):
                return await sign_checked(self._signer, digest)
        except (SignerFaultError, TimeoutError, OSError) as error:
            self._metrics.attestations.labels("failed").inc()
            log.exception("signing an attestation failed")
            raise UnavailableError(
                "attestation_unavailable", "the verdict could not be signed; try again"
            ) from error
