"""Endpoints and deliveries as partners see them."""

from collections.abc import Sequence
from typing import Any

from ledger.store.webhook_deliveries import Attempt
from ledger.store.webhook_log import Delivery
from ledger.store.webhooks import Endpoint
from oracle_api.times import rfc3339
from oracle_api.webhooks.message import message_id
from oracle_api.webhooks.signers import Signer

_NOTICES = {
    "gone": "its server answered 410 Gone",
    "failing": "every attempt had failed for five days",
    "by_owner": "you disabled it",
}


def webhook_document(endpoint: Endpoint, signers: Sequence[Signer]) -> dict[str, Any]:
    """An endpoint, its secrets without what is secret about them."""
    return {
        "id": endpoint.id,
        "object": "webhook",
        "accountId": endpoint.account_id,
        "url": endpoint.url,
        "eventTypes": list(endpoint.event_types),
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "disabledReason": endpoint.disabled_reason,
        "disabledAt": endpoint.disabled_at and rfc3339(endpoint.disabled_at),
        "failingSince": endpoint.failing_since and rfc3339(endpoint.failing_since),
        "notice": _notice(endpoint),
        "secrets": [
            {
                "id": signer.row.id,
                "signing": signer.row.kind,
                "publicKey": None if signer.secret is None else signer.secret.public_key,
                "createdAt": rfc3339(signer.row.created_at),
                "expiresAt": signer.row.expires_at and rfc3339(signer.row.expires_at),
            }
            for signer in signers
        ],
        "createdAt": rfc3339(endpoint.created_at),
    }


def delivery_document(delivery: Delivery, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """A delivery with its attempts, oldest first."""
    return {
        "id": delivery.id,
        "object": "delivery",
        "webhookId": delivery.endpoint_id,
        "eventId": message_id(delivery.id, delivery.event_seq),
        "eventType": delivery.event_type,
        "status": delivery.status,
        "nextAttemptAt": delivery.next_attempt_at and rfc3339(delivery.next_attempt_at),
        "createdAt": rfc3339(delivery.created_at),
        "finishedAt": delivery.finished_at and rfc3339(delivery.finished_at),
        "attempts": [
            {
                "number": attempt.number,
                "beganAt": rfc3339(attempt.began_at),
                "durationMs": attempt.duration_ms,
                "statusCode": attempt.status_code,
                "error": attempt.error,
            }
            for attempt in attempts
        ],
    }


def _notice(endpoint: Endpoint) -> str | None:
    """What a person should know about the endpoint's state."""
    if endpoint.disabled_reason is not None:
        why = _NOTICES[endpoint.disabled_reason]
        return f"disabled because {why}; events since then are sent by a replay, once enabled"
    if endpoint.failing_since is not None:
        return "every attempt fails; after five days of that the webhook is disabled"
    return None
