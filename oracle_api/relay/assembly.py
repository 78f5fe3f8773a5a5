"""Puts the relay together, where the settings ask for one: to take over, and to watch."""

import asyncio

from oracle_api.database import Database
from oracle_api.jobs.work import JobContext
from oracle_api.relay.broadcast import Broadcaster
from oracle_api.relay.metrics import METRICS
from oracle_api.relay.node import RelayNode
from oracle_api.relay.nonces import NonceKeeper
from oracle_api.relay.service import Relay
from oracle_api.relay.signer import Signer, signer_of
from oracle_api.relay.watch import RelayWatch
from oracle_api.settings import Settings
from oracle_api.times import Clock


def relay_of(
    settings: Settings, database: Database, clock: Clock, *, signer: Signer | None = None
) -> Relay | None:
    """What takes authorisations over, or None where neither node nor key is set.

    Args:
        settings: Which node, and how much gas.
        database: Where submissions and nonces are kept.
        clock: Gives Unix seconds.
        signer: Instead of the key file: the place of a key management service.

    Raises:
        RejectedError: `setting_wrong`.
    """
    broadcaster = broadcaster_of(settings, database, signer)
    if broadcaster is None:
        return None
    return Relay(settings, database, broadcaster, clock)


async def watch_relay(context: JobContext, *, signer: Signer | None = None) -> None:
    """Follow what was broadcast, for ever; the jobs process runs this.

    Raises:
        RejectedError: `setting_wrong`.
    """
    settings, database, clock = context.settings, context.database, context.clock
    broadcaster = broadcaster_of(settings, database, signer)
    if broadcaster is None:
        # There is nothing to do and nothing to be begun anew.
        await asyncio.Event().wait()
        return
    keeper = NonceKeeper(
        database,
        broadcaster,
        clock,
        METRICS,
        cap_wei=settings.relayer_max_fee_wei,
        stuck_blocks=settings.relayer_stuck_blocks,
    )
    watch = RelayWatch(
        database,
        broadcaster.node,
        keeper,
        clock,
        METRICS,
        poll_seconds=settings.relayer_poll_seconds,
    )
    async with broadcaster.node.opened():
        await watch.run()


def broadcaster_of(
    settings: Settings, database: Database, signer: Signer | None = None
) -> Broadcaster | None:
    """What signs and sends for the relayer, or None where neither node nor key is set.

    Raises:
        RejectedError: `setting_wrong`.
    """
    signer = signer or signer_of(settings)
    url = settings.relayer_node_url
    if url is None or signer is None:
        return None
    return Broadcaster(database, RelayNode(url), signer, chain_id=settings.chain_id)
