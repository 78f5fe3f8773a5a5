"""Puts the keeper together, where the settings ask for one."""

from ledger.errors import TransientError
from oracle_api.jobs.work import JobContext
from oracle_api.relay.assembly import broadcaster_of
from oracle_api.relay.signer import Signer
from oracle_api.standing_orders.keeper import Keeper


async def collect_due(context: JobContext, *, signer: Signer | None = None) -> None:
    """Collect what is due, once; the jobs process calls this by the clock.

    Raises:
        TransientError: node or database do not answer; the next time is soon.
    """
    settings, database = context.settings, context.database
    contract = settings.standing_orders_address
    broadcaster = broadcaster_of(settings, database, signer)
    if contract is None or broadcaster is None:
        return
    async with broadcaster.node.opened():
        if await broadcaster.node.chain_id() != settings.chain_id:
            raise TransientError("the relay's node is on another chain")
        keeper = Keeper(settings, database, broadcaster, context.clock, contract=contract)
        await keeper.run()
