"""Tells the operators' Slack channel, from the jobs process: no payment ever waits for it."""

from typing import Any, Final

import aiohttp
import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from ledger.errors import TransientError
from ledger.store.flags import Flag
from ledger.store.pool import Connection
from oracle_api.jobs.queue import enqueue
from oracle_api.jobs.work import Handler, JobContext, Payload

JOB: Final = "alerts.slack"
TIMEOUT_SECONDS: Final = 10
MAX_TEXT_CHARACTERS: Final = 2_000

_STATUS_OK: Final = 200

log = structlog.get_logger()


async def alert_of_flag(connection: Connection, flag: Flag) -> None:
    """Have the operators told of a flag, if the caller's transaction commits."""
    text = (
        f"Flag {flag.id}: {flag.subject} has more failed validations within five minutes than the "
        f"limit allows ({flag.failures} beyond it). See GET /api/v1/flags/{flag.id}."
    )
    await enqueue(connection, JOB, {"text": text})


async def post_alert(context: JobContext, payload: Payload) -> None:
    """Post one alert.

    Raises:
        TransientError: Slack did not take it; the job is done again later.
    """
    url = context.settings.slack_webhook_url
    text = escape(str(payload["text"]))[:MAX_TEXT_CHARACTERS]
    if url is None:
        log.warning("no operators' channel is set", alert=text)
        return
    # The queue tries again, so the client need not.
    client = AsyncWebhookClient(url.get_secret_value(), timeout=TIMEOUT_SECONDS, retry_handlers=[])
    try:
        answer: Any = await client.send(text=text)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        # Never with the error's own words: they may hold the URL, which is a secret.
        raise TransientError(f"Slack could not be reached ({type(error).__name__})") from None
    if answer.status_code != _STATUS_OK:
        raise TransientError(f"Slack answered {answer.status_code}")


def escape(text: str) -> str:
    """Text that Slack shows as it is: no links, no mentions of a whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


SLACK_ALERTS: Final = Handler(JOB, post_alert, max_attempts=10, timeout_seconds=30.0)
