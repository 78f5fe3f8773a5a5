"""Refuses to answer from a ledger that is not fit to be answered from, and says why in words."""

from typing import Final

from ledger.confidence import Limits, Observation, doubt
from ledger.store.cursor import Cursor, read_cursor
from ledger.store.observation import read_observation
from ledger.store.pool import Connection
from oracle_api.problems import UnavailableError
from oracle_api.times import Clock

DOUBT_DETAIL: Final = {
    "ledger_empty": "the ledger has not been checked against the chain yet",
    "indexer_halted": "the indexer has halted and waits for the operator",
    "indexer_silent": "the indexer has not reported for too long",
    "ledger_behind": "the ledger is too far behind the chain",
    "chain_stalled": "the chain has made no block for too long",
    "nodes_disagree": "too few nodes agree about the chain",
}


def require_confidence(
    observation: Observation | None,
    *,
    tip_number: int,
    tip_timestamp: int,
    now: float,
    limits: Limits,
) -> None:
    """Let pass what may be answered from.

    Raises:
        UnavailableError: the first doubt.
    """
    reason = doubt(
        observation,
        tip_number=tip_number,
        tip_timestamp=tip_timestamp,
        now=now,
        limits=limits,
    )
    if reason is not None:
        raise UnavailableError(str(reason), DOUBT_DETAIL[reason])


async def read_sure_cursor(
    connection: Connection, chain_id: int, *, clock: Clock, limits: Limits
) -> Cursor:
    """Where the ledger stands, if it may be answered from.

    Raises:
        UnavailableError: the first doubt.
    """
    cursor = await read_cursor(connection, chain_id)
    observation = await read_observation(connection, chain_id)
    if cursor is None:
        raise UnavailableError("ledger_empty", DOUBT_DETAIL["ledger_empty"])
    require_confidence(
        observation,
        tip_number=cursor.tip.number,
        tip_timestamp=cursor.tip_timestamp,
        now=clock(),
        limits=limits,
    )
    return cursor
