"""What the jobs process does for webhooks: it sends, and forgets what is old."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from ledger.errors import CorruptError
from ledger.store.pool import Connection
from ledger.store.webhook_log import forget_deliveries_before
from ledger.store.webhooks import forget_expired_secrets, list_secrets, reseal_secret
from oracle_api.access.keyring import Keyring
from oracle_api.access.principal import OPEN
from oracle_api.jobs.work import JobContext
from oracle_api.settings import Settings
from oracle_api.times import to_datetime
from oracle_api.webhooks.addresses import is_public
from oracle_api.webhooks.dispatcher import Dispatcher
from oracle_api.webhooks.lane import LaneTools
from oracle_api.webhooks.lookup import SystemLookup
from oracle_api.webhooks.sealing import open_secret, seal_secret
from oracle_api.webhooks.sender import open_sender

KEEP_DELIVERIES_DAYS: Final = 30
SECRETS_AT_ONCE: Final = 500
DELIVERIES_AT_ONCE: Final = 5_000

log = structlog.get_logger()


async def send_webhooks(context: JobContext) -> None:
    """Send deliveries for ever; without keys there is nothing to sign with, hence to send."""
    settings = context.settings
    keyring = settings.webhook_keyring
    if keyring is None:
        log.info("webhooks are off: BILLCOIN_WEBHOOK_KEYS_FILE is not set")
        await asyncio.get_running_loop().create_future()
        return
    lookup = SystemLookup()
    is_allowed = _anywhere if settings.webhook_allow_private else is_public
    try:
        async with open_sender(lookup, is_allowed) as sender:
            tools = LaneTools(
                context.database, sender, keyring, context.clock, open_account(settings)
            )
            await Dispatcher(tools).run()
    finally:
        lookup.close()


async def forget_old_webhooks(context: JobContext) -> None:
    """Delete old deliveries and expired secrets; encrypt what remains with the newest key."""
    now = to_datetime(context.clock())
    keyring = context.settings.webhook_keyring
    before, count, forgotten = now - timedelta(days=KEEP_DELIVERIES_DAYS), 0, DELIVERIES_AT_ONCE
    # A transaction each, so that none takes too long however many there are.
    while forgotten == DELIVERIES_AT_ONCE:
        async with context.database.writing() as connection:
            forgotten = await forget_deliveries_before(connection, before, limit=DELIVERIES_AT_ONCE)
        count += forgotten
    log.info("old deliveries forgotten", count=count)
    async with context.database.writing() as connection:
        await forget_expired_secrets(connection, now=now)
    if keyring is not None:
        async with context.database.writing() as connection:
            await _reseal(connection, keyring)


def open_account(settings: Settings) -> str:
    """The account that everybody has, while access is open; empty otherwise."""
    return OPEN.account_id if settings.access == "open" else ""


async def _reseal(connection: Connection, keyring: Keyring) -> None:
    after_id = ""
    while page := await list_secrets(connection, after_id=after_id, limit=SECRETS_AT_ONCE):
        for row in page:
            if not keyring.is_current(row.sealed):
                try:
                    secret = open_secret(keyring, row)
                except CorruptError:
                    log.exception("a webhook's secret cannot be read", secret=row.id)
                    continue
                sealed = seal_secret(keyring, secret, secret_id=row.id, endpoint_id=row.endpoint_id)
                await reseal_secret(connection, row, sealed)
        after_id = page[-1].id


def _anywhere(_: str) -> bool:
    return True
