"""Keeps the relayer's nonces moving: every one that was taken gets a transaction that lands.

A nonce without a transaction holds up all later ones. Nodes lose transactions, and leave cheap
ones lying; so what is written is sent again as it is, and replaced under the same nonce when it
does not get on.
"""

from collections.abc import Sequence

import structlog

from contracts.billcoin import Authorization
from ledger.errors import TransientError
from ledger.json_hex import to_hex
from ledger.store.relay_nonces import (
    RelayTransaction,
    insert_transaction,
    lock_relayer,
    newest_by_nonce,
    read_next_nonce,
    take_nonce,
    transactions_of,
)
from ledger.store.relay_submissions import (
    Sight,
    StoredSubmission,
    SubmissionStatus,
    mark_resigned,
    read_submission,
)
from oracle_api.database import Database
from oracle_api.problems import UnavailableError
from oracle_api.relay.authorization import SignedAuthorization
from oracle_api.relay.broadcast import Broadcaster, Call, Terms
from oracle_api.relay.fees import Fees, fees_for, replacement_fees
from oracle_api.relay.metrics import RelayMetrics
from oracle_api.relay.node import Head
from oracle_api.times import Clock, to_datetime

FILLER_GAS = 21_000
MAX_NONCES = 1_000
"""How many nonces one pass looks at, the lowest first."""

_WORTHLESS = frozenset({SubmissionStatus.EXPIRED, SubmissionStatus.CANCELLED})

log = structlog.get_logger()


class NonceKeeper:
    """Looks after one relayer's nonces."""

    def __init__(
        self,
        database: Database,
        broadcaster: Broadcaster,
        clock: Clock,
        metrics: RelayMetrics,
        *,
        cap_wei: int,
        stuck_blocks: int,
    ) -> None:
        self._database = database
        self._broadcaster = broadcaster
        self._node = broadcaster.node
        self._clock = clock
        self._metrics = metrics
        self._cap_wei = cap_wei
        self._stuck_blocks = stuck_blocks
        self.relayer = broadcaster.relayer
        self.chain_id = broadcaster.chain_id

    async def keep(self, head: Head) -> None:
        """Look at every nonce that was taken and that no block has used."""
        first = await self._node.transaction_count(self.relayer, "latest")
        pending = await self._node.transaction_count(self.relayer, "pending")
        async with self._database.reading() as connection:
            end = await read_next_nonce(connection, self.chain_id, self.relayer)
            newest = await newest_by_nonce(
                connection, self.chain_id, self.relayer, first_nonce=first, limit=MAX_NONCES
            )
        self._metrics.outstanding.set(max(0, end - first))
        for tx_nonce in range(first, min(end, first + MAX_NONCES)):
            transaction = newest.get(tx_nonce)
            if transaction is None:
                # What the node has under a nonce that we know nothing of may be a payment.
                if tx_nonce >= pending:
                    await self._fill(tx_nonce, head)
                continue
            # First of all: what offers too little a node may not even keep.
            is_stuck = head.number - transaction.signed_number >= self._stuck_blocks
            is_first = tx_nonce == first
            if is_stuck and await self._replace(transaction, head, is_first=is_first):
                continue
            if not await self._node.knows(transaction.tx_hash):
                log.info("sending again", txHash=to_hex(transaction.tx_hash), nonce=tx_nonce)
                await self._broadcaster.send(transaction)

    async def renew_if_lost(
        self,
        submission: StoredSubmission,
        signed: Sequence[RelayTransaction],
        head: Head,
        sight: Sight,
    ) -> None:
        """Sign again under a new nonce when something else has used the one it had.

        Only the relayer's own key can do that, so somebody used it outside of this oracle. It
        counts when it lies some blocks deep; should both land in the end, the token lets the
        authorisation be used once, and the second costs us gas but nobody money.
        """
        newest = signed[0] if signed else None
        depth = max(0, head.number - self._stuck_blocks)
        if sight.status in _WORTHLESS or newest is None or newest.relayer != self.relayer:
            return
        if await self._node.transaction_count(self.relayer, depth) <= newest.tx_nonce:
            return
        pending = await self._node.transaction_count(self.relayer, "pending")
        terms = Terms(await self._fees(head), head.number, to_datetime(self._clock()))
        async with self._database.writing() as connection:
            await lock_relayer(connection, self.chain_id, self.relayer)
            now = (await transactions_of(connection, [submission.id]))[submission.id]
            if now[0].tx_nonce != newest.tx_nonce:
                return
            tx_nonce = await take_nonce(
                connection, self.chain_id, self.relayer, pending_count=pending
            )
            call = _call_of(submission, newest.gas_limit)
            transaction = await self._broadcaster.sign(call, terms, tx_nonce=tx_nonce)
            await insert_transaction(connection, transaction)
            await mark_resigned(
                connection,
                submission.id,
                tx_hash=transaction.tx_hash,
                promised_wei=transaction.promised_wei,
            )
        log.error("a nonce of the relayer was used elsewhere", nonce=newest.tx_nonce)
        self._metrics.replacements.labels("renewed").inc()
        await self._broadcaster.send(transaction)

    async def _replace(self, stuck: RelayTransaction, head: Head, *, is_first: bool) -> bool:
        """Offer more for a nonce, if that helps; one that only waits behind another is fine."""
        tip_wei = await self._node.tip_wei()
        if not is_first and stuck.max_fee_wei >= head.base_fee_wei + stuck.tip_wei:
            return False
        fees = replacement_fees(
            Fees(stuck.max_fee_wei, stuck.tip_wei),
            head.base_fee_wei,
            tip_wei,
            cap_wei=self._cap_wei,
        )
        if fees is None:
            self._metrics.replacements.labels("capped").inc()
            log.error("a transaction is stuck and gas is too dear", nonce=stuck.tx_nonce)
            return False
        terms = Terms(fees, head.number, to_datetime(self._clock()))
        async with self._database.writing() as connection:
            await lock_relayer(connection, self.chain_id, self.relayer)
            newest = await newest_by_nonce(
                connection, self.chain_id, self.relayer, first_nonce=stuck.tx_nonce, limit=1
            )
            if newest[stuck.tx_nonce].tx_hash != stuck.tx_hash:
                return False
            submission = None
            if stuck.submission_id is not None:
                submission = await read_submission(connection, stuck.submission_id)
            call = self._call_for(submission, stuck.gas_limit)
            transaction = await self._broadcaster.sign(call, terms, tx_nonce=stuck.tx_nonce)
            await insert_transaction(connection, transaction)
            if call.submission_id is not None:
                await mark_resigned(
                    connection,
                    call.submission_id,
                    tx_hash=transaction.tx_hash,
                    promised_wei=transaction.promised_wei,
                )
        log.info("replacing", nonce=stuck.tx_nonce, txHash=to_hex(transaction.tx_hash))
        self._metrics.replacements.labels("replaced").inc()
        await self._broadcaster.send(transaction)
        return True

    async def _fill(self, tx_nonce: int, head: Head) -> None:
        """Use up a nonce of which nothing is written: a database's newest rows can be lost."""
        terms = Terms(await self._fees(head), head.number, to_datetime(self._clock()))
        async with self._database.writing() as connection:
            await lock_relayer(connection, self.chain_id, self.relayer)
            newest = await newest_by_nonce(
                connection, self.chain_id, self.relayer, first_nonce=tx_nonce, limit=1
            )
            if tx_nonce in newest:
                return
            call = self._call_for(None, FILLER_GAS)
            transaction = await self._broadcaster.sign(call, terms, tx_nonce=tx_nonce)
            await insert_transaction(connection, transaction)
        log.error("filling a gap in the relayer's nonces", nonce=tx_nonce)
        self._metrics.replacements.labels("filled").inc()
        await self._broadcaster.send(transaction)

    def _call_for(self, submission: StoredSubmission | None, gas_limit: int) -> Call:
        """The transfer, or nothing at all where the transfer could only fail by now."""
        if submission is None or submission.status in _WORTHLESS or submission.is_foreign:
            return Call(self.relayer, b"", FILLER_GAS, None)
        return _call_of(submission, gas_limit)

    async def _fees(self, head: Head) -> Fees:
        try:
            return fees_for(head.base_fee_wei, await self._node.tip_wei(), cap_wei=self._cap_wei)
        except UnavailableError as error:
            raise TransientError(str(error)) from error


def _call_of(submission: StoredSubmission, gas_limit: int) -> Call:
    authorization = Authorization(
        owner=submission.owner,
        to=submission.recipient,
        units=submission.amount,
        valid_after_seconds=submission.valid_after,
        valid_before_seconds=submission.valid_before,
        nonce=submission.authorization_nonce,
    )
    signed = SignedAuthorization(authorization, submission.signature)
    return Call(submission.token, signed.call_data(), gas_limit, submission.id)
