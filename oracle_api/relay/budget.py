"""How much of our gas may be spent: on one wallet, in a day, and at once."""

from datetime import timedelta

import structlog

from ledger.errors import RejectedError
from ledger.store.pool import Connection
from ledger.store.relay_submissions import NewSubmission, read_spent
from oracle_api.problems import UnavailableError
from oracle_api.relay.checks import Preview
from oracle_api.relay.fees import Fees
from oracle_api.relay.settings import RelaySettings

BUDGET_PERIOD = timedelta(hours=24)

log = structlog.get_logger()


def require_gas(seen: Preview, fees: Fees) -> None:
    """Make sure that the relayer can pay, also for those of its transactions that wait.

    Raises:
        UnavailableError: `relayer_out_of_gas`.
    """
    count = max(0, seen.pending_count - seen.mined_count) + 1
    if seen.relayer_balance_wei < count * seen.gas_limit * fees.max_fee_wei:
        log.error("the relayer has no gas left", balanceWei=str(seen.relayer_balance_wei))
        raise UnavailableError("relayer_out_of_gas", "this oracle has no gas left to pay with")


def require_room(settings: RelaySettings, outstanding: int) -> None:
    """Make sure that nodes will keep one transaction more.

    Raises:
        UnavailableError: `relayer_busy`.
    """
    if outstanding >= settings.relayer_max_outstanding:
        raise UnavailableError("relayer_busy", "too many transactions wait for a block")


async def require_budget(
    settings: RelaySettings, connection: Connection, new: NewSubmission, promised_wei: int
) -> None:
    """Make sure that neither the wallet's nor the day's budget is exceeded.

    The caller holds the relayer's lock, so that no two take the same last of it.

    Raises:
        RejectedError: `payer_budget_exhausted`.
        UnavailableError: `relayer_budget_exhausted`.
    """
    since = new.created_at - BUDGET_PERIOD
    spent = await read_spent(connection, new.chain_id, owner=new.owner, since=since)
    if spent.payer_count >= settings.relayer_payer_daily_limit:
        raise RejectedError(
            "payer_budget_exhausted",
            f"we pay the gas of {settings.relayer_payer_daily_limit} payments a day for a wallet; "
            "pay by a transaction of your own",
            param="from",
        )
    if spent.wei + promised_wei > settings.relayer_daily_gas_wei:
        log.error("the day's budget for gas is spent", spentWei=str(spent.wei))
        raise UnavailableError("relayer_budget_exhausted", "the day's budget for gas is spent")
