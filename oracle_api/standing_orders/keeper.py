"""Collects what is due of standing orders: found in the ledger, asked of the contract, sent once.

The contract collects a period once, whoever asks how often; what is guarded here is our gas. A
transaction that gets stuck is replaced by an empty one (the relay keeps nonces moving), and the
next run collects anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from ledger.confidence import doubt
from ledger.errors import TransientError
from ledger.json_hex import to_hex
from ledger.store.cursor import read_cursor
from ledger.store.observation import read_observation
from ledger.store.relay_nonces import RelayTransaction, insert_transaction, take_nonce
from ledger.store.standing_orders import (
    Attempt,
    StandingRecord,
    find_due,
    insert_attempts,
    read_promised,
    read_promised_by_account,
)
from oracle_api.database import Database
from oracle_api.problems import UnavailableError
from oracle_api.relay.broadcast import Broadcaster, Call, Terms
from oracle_api.relay.fees import fees_for
from oracle_api.relay.node import Head, NodeRefusedError
from oracle_api.settings import Settings
from oracle_api.standing_orders.metrics import COLLECTIONS
from oracle_api.standing_orders.opening import open_order
from oracle_api.standing_orders.terms import assess_data, collect_data, period_at
from oracle_api.times import Clock, to_datetime

COLLECTIONS_AT_ONCE: Final = 32
"""What the contract takes in one call."""

MAX_SENT: Final = 5
"""Transactions for one period of an order; what fails so often needs a person, not more gas."""

GAS_LIMIT_MAX: Final = 6_000_000
"""32 collections into new order addresses take about 4.3 million."""

BUDGET_PERIOD: Final = timedelta(hours=24)
ACCOUNT_SHARE: Final = 10
"""One account's orders may take a tenth of the day's gas. Whoever registers many, or short periods,
or moves the BILL away each time just before it is collected, uses up nobody else's."""

SHARE_SPENT: Final = "the account's share of the gas is spent"
NO_ANSWER: Final = "the contract does not answer"

REFUSAL_CHARACTERS_MAX: Final = 32
"""The contract's own words fit in a String[32]; they are kept, and shown in metrics."""

_GAS_MARGIN_NUMERATOR, _GAS_MARGIN_DENOMINATOR = 6, 5
_ASSESSMENT: Final = "(bytes32,uint256,uint256,uint256,string)"
# Nothing is wrong, there is only nothing to do; the ledger shows it a moment later.
_NO_NEWS: Final = frozenset({"not due", "not started", "ended"})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Assessed:
    """What the contract would do about an order: `refusal` is empty when it would collect."""

    record: StandingRecord
    period: int
    price: int
    units: int
    refusal: str


class Keeper:
    """One run looks at everything that is due; two at once only ask twice."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        broadcaster: Broadcaster,
        clock: Clock,
        *,
        contract: bytes,
    ) -> None:
        self._settings = settings
        self._database = database
        self._broadcaster = broadcaster
        self._node = broadcaster.node
        self._clock = clock
        self._contract = contract

    async def run(self) -> int:
        """Collect what is due; returns for how many orders a transaction was sent.

        Raises:
            TransientError: node or database do not answer, or the ledger is unsure.
        """
        due, spent = await self._find_due()
        if not due:
            return 0
        head = await self._node.head()
        mined = await self._node.transaction_count(self._broadcaster.relayer, "latest")
        waiting = [one for one in due if _may_try(one, head.timestamp, mined)]
        assessed = [
            await self._assess(one)
            if self._has_share(one, spent)
            else Assessed(one, 0, 0, 0, SHARE_SPENT)
            for one in waiting
        ]
        await self._note_skips([one for one in assessed if one.refusal], head)
        return await self._collect_all([one for one in assessed if not one.refusal], head, spent)

    async def _collect_all(
        self, ready: Sequence[Assessed], head: Head, spent: dict[str, int]
    ) -> int:
        """Collect in as few transactions as it takes; returns for how many orders."""
        sent = 0
        while ready:
            batch, ready = ready[:COLLECTIONS_AT_ONCE], ready[COLLECTIONS_AT_ONCE:]
            promised_wei = await self._collect(batch, head)
            if promised_wei is None:
                break
            sent += len(batch)
            for one in batch:
                account_id = one.record.order.account_id
                spent[account_id] = spent.get(account_id, 0) + promised_wei // len(batch)
            # A share counts within a run too; those left are told so in the next.
            ready = [one for one in ready if self._has_share(one.record, spent)]
        return sent

    def _has_share(self, record: StandingRecord, spent: Mapping[str, int]) -> bool:
        share_wei = self._settings.collect_daily_gas_wei // ACCOUNT_SHARE
        return spent.get(record.order.account_id, 0) < share_wei

    async def _find_due(self) -> tuple[list[StandingRecord], dict[str, int]]:
        """What is due, and the gas of the last day by account, in wei."""
        chain_id = self._settings.chain_id
        async with self._database.reading() as connection:
            cursor = await read_cursor(connection, chain_id)
            observation = await read_observation(connection, chain_id)
            if cursor is None:
                return [], {}
            reason = doubt(
                observation,
                tip_number=cursor.tip.number,
                tip_timestamp=cursor.tip_timestamp,
                now=self._clock(),
                limits=self._settings.limits,
            )
            if reason is not None:
                raise UnavailableError(
                    str(reason), "nothing is collected while the ledger is unsure"
                )
            due = await find_due(
                connection,
                chain_id,
                contract=self._contract,
                now=cursor.tip_timestamp,
                limit=self._settings.collect_max_orders,
            )
            since = to_datetime(self._clock()) - BUDGET_PERIOD
            return due, await read_promised_by_account(connection, chain_id, since=since)

    async def _assess(self, record: StandingRecord) -> Assessed:
        try:
            answer = await self._node.read_contract(
                self._contract, assess_data(record.order), sender=self._broadcaster.relayer
            )
        except NodeRefusedError as error:
            if not error.is_revert:
                raise
            return Assessed(record, 0, 0, 0, NO_ANSWER)
        return read_assessment(record, answer)

    async def _note_skips(self, skipped: Sequence[Assessed], head: Head) -> None:
        """Note each reason once a period, so that an empty wallet fills no table."""
        news = []
        for one in skipped:
            COLLECTIONS.labels("skipped", one.refusal).inc()
            period = one.period or max(period_at(one.record.order, head.timestamp), 0)
            told = (one.record.last_outcome, one.record.last_reason, one.record.last_period)
            if one.refusal not in _NO_NEWS and told != ("skipped", one.refusal, period):
                news.append(
                    Attempt(one.record.order.order_hash, period, "skipped", reason=one.refusal)
                )
        if news:
            async with self._database.writing() as connection:
                await insert_attempts(
                    connection, self._settings.chain_id, news, now=to_datetime(self._clock())
                )
            log.info("standing orders skipped", count=len(news))

    async def _collect(self, batch: Sequence[Assessed], head: Head) -> int | None:
        """Write one transaction for these down, with the orders that it pays, then send it.

        Returns what it can cost, in wei; None when it could not be sent yet.
        """
        data = collect_data([one.record.order for one in batch])
        relayer = self._broadcaster.relayer
        gas = await self._node.estimate_gas(self._contract, data, sender=relayer)
        limit = gas * _GAS_MARGIN_NUMERATOR // _GAS_MARGIN_DENOMINATOR
        if limit > GAS_LIMIT_MAX:
            raise TransientError(f"collecting would take {limit} gas, more than is allowed")
        fees = fees_for(
            head.base_fee_wei,
            await self._node.tip_wei(),
            cap_wei=self._settings.relayer_max_fee_wei,
        )
        pending = await self._node.transaction_count(relayer, "pending")
        terms = Terms(fees, head.number, to_datetime(self._clock()))
        async with self._database.writing() as connection:
            tx_nonce = await take_nonce(
                connection, self._settings.chain_id, relayer, pending_count=pending
            )
            # Under the relayer's lock, so that no two runs take the same last of the budget.
            spent = await read_promised(
                connection, self._settings.chain_id, since=terms.now - BUDGET_PERIOD
            )
            if spent + limit * fees.max_fee_wei > self._settings.collect_daily_gas_wei:
                log.error("the day's gas for collections is spent", spentWei=str(spent))
                COLLECTIONS.labels("skipped", "gas budget").inc(len(batch))
                raise UnavailableError("collect_budget_exhausted", "the day's gas is spent")
            call = Call(self._contract, data, limit, None)
            transaction = await self._broadcaster.sign(call, terms, tx_nonce=tx_nonce)
            await insert_transaction(connection, transaction)
            for one in batch:
                await open_order(
                    connection, self._settings, one.record.order, assessed=one, now=terms.now
                )
            await insert_attempts(
                connection, self._settings.chain_id, _sent(batch, transaction), now=terms.now
            )
        COLLECTIONS.labels("sent", "").inc(len(batch))
        log.info("collecting", orders=len(batch), txHash=to_hex(transaction.tx_hash))
        is_sent = await self._broadcaster.send(transaction)
        return transaction.promised_wei if is_sent else None


def read_assessment(record: StandingRecord, answer: bytes) -> Assessed:
    """What the contract says; words that it does not have would be a node's that makes them up."""
    try:
        ((_, period, price, units, refusal),) = decode([_ASSESSMENT], answer)
    except (ValueError, OverflowError, DecodingError):
        return Assessed(record, 0, 0, 0, NO_ANSWER)
    if len(refusal) > REFUSAL_CHARACTERS_MAX or not refusal.isprintable():
        refusal = NO_ANSWER
    return Assessed(record, period, price, units, refusal)


def _may_try(record: StandingRecord, now: int, mined: int) -> bool:
    """Whether no transaction of ours for this period waits for a block, nor too many failed."""
    if record.last_period != period_at(record.order, now):
        return True
    if record.last_sent_count >= MAX_SENT:
        COLLECTIONS.labels("skipped", "given up").inc()
        return False
    return record.last_tx_nonce is None or record.last_tx_nonce < mined


def _sent(batch: Sequence[Assessed], transaction: RelayTransaction) -> list[Attempt]:
    return [
        Attempt(
            one.record.order.order_hash,
            one.period,
            "sent",
            tx_hash=transaction.tx_hash,
            tx_nonce=transaction.tx_nonce,
            promised_wei=transaction.promised_wei,
        )
        for one in batch
    ]
