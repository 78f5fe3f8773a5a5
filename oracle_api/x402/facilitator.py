"""Verifies and settles x402 payments of orders, with the relay's own checks and broadcasts."""

from dataclasses import dataclass

from ledger.errors import RejectedError
from ledger.payment_uri import format_address
from ledger.store.relay_nonces import transactions_of
from ledger.store.relay_submissions import StoredSubmission, SubmissionStatus
from ledger.store.standings import read_payments
from oracle_api.database import Database
from oracle_api.relay.authorization import read_signed
from oracle_api.relay.service import Relay
from oracle_api.relay.service import Request as RelayRequest
from oracle_api.relay.waiting import Standing, Waiting
from oracle_api.settings import Settings
from oracle_api.x402.message import X402Payment

_FAILED = frozenset(
    {SubmissionStatus.REVERTED, SubmissionStatus.EXPIRED, SubmissionStatus.CANCELLED}
)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a payment; `reason` is None when the order counts as paid by it."""

    reason: str | None
    message: str | None
    tx_hash: bytes | None


class Facilitator:
    """Answers resource servers; one per process."""

    def __init__(
        self, settings: Settings, database: Database, relay: Relay, waiting: Waiting
    ) -> None:
        self._settings = settings
        self._database = database
        self._relay = relay
        self._waiting = waiting

    @property
    def signer(self) -> str:
        """The account that broadcasts."""
        return format_address(self._relay.relayer)

    async def verify(self, payment: X402Payment) -> None:
        """Make every check that settling makes, without broadcasting anything.

        Raises:
            RejectedError, UnavailableError: why it would not be settled.
        """
        await self._relay.check(await self._request(payment))

    async def settle(self, payment: X402Payment) -> Settlement:
        """Broadcast the payment and wait until its order is paid as its policy wants.

        The same payment may be settled any number of times: it is broadcast once, and whoever
        asks again gets what became of it.

        Raises:
            RejectedError, UnavailableError: nothing was broadcast.
        """
        submission = await self._relay.submit(await self._request(payment))
        standing = await self._waiting.standing(
            submission.id, wait_seconds=self._settings.max_wait_seconds
        )
        if standing.is_paid:
            return await self._settlement_of_paid(standing)
        status = standing.submission.status
        if status in _FAILED:
            return Settlement("invalid_transaction_state", f"the transfer is {status}", None)
        return Settlement(
            "unexpected_settle_error",
            f"broadcast, and not paid yet: the order is {standing.order.status}. Ask again",
            standing.submission.tx_hash,
        )

    async def _request(self, payment: X402Payment) -> RelayRequest:
        order = await self._relay.read_order_at(payment.pay_to)
        signed = read_signed(
            owner=payment.owner,
            to=payment.pay_to,
            value=payment.value,
            valid_after=payment.valid_after,
            valid_before=payment.valid_before,
            nonce=payment.nonce,
            signature=payment.signature,
        )
        signed.require_signature(
            chain_id=self._settings.chain_id, token=self._settings.token_address
        )
        return RelayRequest(order, signed)

    async def _settlement_of_paid(self, standing: Standing) -> Settlement:
        """Whether it was this payment that paid the order, which another may have done first."""
        submission, order_id = standing.submission, standing.order.id
        async with self._database.reading() as connection:
            payments = (await read_payments(connection, [order_id]))[order_id]
            signed = (await transactions_of(connection, [submission.id]))[submission.id]
        ours = {one.tx_hash for one in signed} | _landing(submission)
        received = 0
        for payment in payments:
            received += payment.amount
            if received < standing.order.amount_due:
                continue
            if payment.tx_hash in ours:
                return Settlement(None, None, payment.tx_hash)
            break
        if submission.status in {SubmissionStatus.ACCEPTED, SubmissionStatus.BROADCAST}:
            message = "the order is paid, and it is not known yet by which transaction. Ask again"
            return Settlement("unexpected_settle_error", message, submission.tx_hash)
        message = "another payment came first; this one is owed back"
        return Settlement("invalid_transaction_state", message, None)


def _landing(submission: StoredSubmission) -> set[bytes]:
    """The transaction of somebody else that used the authorisation, if one did."""
    return {submission.tx_hash} if submission.status is SubmissionStatus.INCLUDED else set()


def require_facilitator(facilitator: Facilitator | None) -> Facilitator:
    """The facilitator, where this oracle has one.

    Raises:
        RejectedError: `invalid_network`: nothing is supported here.
    """
    if facilitator is None:
        raise RejectedError("invalid_network", "this oracle settles nothing: it pays no gas")
    return facilitator
