"""Compares the ledger's sums with what the token says, and the treasury's with our own books."""

import asyncio
import secrets
import time
from dataclasses import dataclass

import structlog

from indexer import metrics
from indexer.sources import Sources
from ledger.chain import BlockRef
from ledger.errors import TransientError
from ledger.json_hex import read_data, to_hex
from ledger.keccak import keccak256
from ledger.refund import RefundStatus
from ledger.store.balances import read_balances, read_supply, sample_holders
from ledger.store.cursor import read_cursor
from ledger.store.pool import DATABASE_AWAY, Connection, connect
from ledger.store.treasury import TreasuryStatement, read_statement
from ledger.units import Units

log = structlog.get_logger(__name__)

SAMPLED_HOLDERS = 20
# Sums read the whole history, ten seconds of three cores at ten million transfers: at most a
# hundredth of the time, or the tills would feel it.
_REST_TIMES = 100
_TOTAL_SUPPLY = keccak256(b"totalSupply()")[:4]
_BALANCE_OF = keccak256(b"balanceOf(address)")[:4]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Ledger minus chain at one block, in base units; all 0 in a sound ledger."""

    block: BlockRef
    supply_drift: int
    balance_drifts: dict[bytes, int]
    treasury: TreasuryStatement

    @property
    def total_drift(self) -> int:
        """All differences without their signs, so that two cannot cancel out."""
        return abs(self.supply_drift) + sum(map(abs, self.balance_drifts.values()))


async def reconcile_forever(
    database_url: str, sources: Sources, *, chain_id: int, token: bytes, interval_seconds: float
) -> None:
    """Reconcile again and again until cancelled; drift is a log line and a metric.

    The longer the history, the less often: see `pause_seconds`.
    """
    while True:
        started = time.monotonic()
        try:
            connection = await connect(database_url, application_name="billcoin-reconcile")
            try:
                found = await reconcile(connection, sources, chain_id=chain_id, token=token)
            finally:
                await connection.close()
        except TransientError as error:
            log.warning("not_reconciled", error=str(error))
        except DATABASE_AWAY as error:
            log.warning("not_reconciled", error=repr(error))
        else:
            _tell(found)
        await asyncio.sleep(pause_seconds(time.monotonic() - started, interval_seconds))


def pause_seconds(spent_seconds: float, interval_seconds: float) -> float:
    """How long to rest after a reconciliation that took `spent_seconds`."""
    return max(interval_seconds, _REST_TIMES * spent_seconds)


async def reconcile(
    connection: Connection, sources: Sources, *, chain_id: int, token: bytes
) -> Reconciliation | None:
    """Compare supply and sampled balances at our tip.

    None when the ledger is empty, stands before the token, or the chain moved while we asked. A
    ledger that was told to start after the token's deployment drifts by what was minted before.

    Raises:
        TransientError: the node does not answer.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        cursor = await read_cursor(connection, chain_id)
        if cursor is None:
            return None
        tip = cursor.tip
        holders = await sample_holders(
            connection, chain_id, count=SAMPLED_HOLDERS, seed=secrets.token_bytes(8)
        )
        supply = await read_supply(connection, chain_id, tip.number)
        balances = await read_balances(connection, chain_id, tip.number, holders)
        treasury = await read_statement(connection, chain_id, tip.number)
    said = _Token(sources, token, tip)
    if not await said.is_deployed():
        return None
    supply_drift = supply - await said.total_supply()
    drifts = {holder: balances[holder] - await said.balance_of(holder) for holder in holders}
    holding, _ = await sources.opinions(tip)
    if not holding:
        return None
    return Reconciliation(tip, supply_drift, drifts, treasury)


class _Token:
    """The token as a node answers for it at one block's height."""

    def __init__(self, sources: Sources, token: bytes, block: BlockRef) -> None:
        self._node = sources.best.node
        self._token = token
        self._height = hex(block.number)

    async def is_deployed(self) -> bool:
        code = await self._node.rpc.call("eth_getCode", [to_hex(self._token), self._height])
        return len(read_data(code, field="code")) > 0

    async def total_supply(self) -> Units:
        return await self._call(_TOTAL_SUPPLY)

    async def balance_of(self, holder: bytes) -> Units:
        return await self._call(_BALANCE_OF + holder.rjust(32, b"\0"))

    async def _call(self, data: bytes) -> Units:
        message = {"to": to_hex(self._token), "data": to_hex(data)}
        answer = await self._node.rpc.call("eth_call", [message, self._height])
        return Units(int.from_bytes(read_data(answer, field="eth_call", length=32), "big"))


def _tell(found: Reconciliation | None) -> None:
    if found is None:
        return
    metrics.DRIFT.set(found.total_drift)
    metrics.RECONCILED_AT.set(time.time())
    _tell_treasury(found.treasury)
    if found.total_drift:
        log.error(
            "ledger_drifts",
            block=found.block.number,
            supply_drift=str(found.supply_drift),
            holders={
                to_hex(holder): str(drift)
                for holder, drift in found.balance_drifts.items()
                if drift
            },
        )
    else:
        log.info("reconciled", block=found.block.number, holders=len(found.balance_drifts))


def _tell_treasury(sums: TreasuryStatement) -> None:
    for direction, count in (("in", sums.unmatched_in_count), ("out", sums.unmatched_out_count)):
        metrics.UNMATCHED_TRANSFERS.labels(direction).set(count)
    for status in RefundStatus:
        if status not in {RefundStatus.SETTLED, RefundStatus.CANCELLED}:
            metrics.REFUNDS.labels(status).set(sums.refunds_by_status.get(status, 0))
