"""What a delivery says: its id and its body, the same at every attempt."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from ledger.ids import event_id
from ledger.store.webhook_deliveries import DueDelivery
from oracle_api.times import rfc3339

PING: Final = "webhook.ping"


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it goes over the wire; `id` is what a receiver knows a repetition by."""

    id: str
    body: bytes


def message_of(delivery: DueDelivery) -> Message:
    """The message of a delivery; the event's own id, as in the event stream."""
    identifier = message_id(delivery.id, delivery.event_seq)
    data: dict[str, Any] = {"deliveryId": delivery.id} if delivery.data is None else delivery.data
    document = {
        "id": identifier,
        "type": delivery.event_type,
        "timestamp": rfc3339(delivery.event_created_at or delivery.created_at),
        "data": data,
    }
    return Message(identifier, orjson.dumps(document))


def message_id(delivery_id: str, event_seq: int | None) -> str:
    """An event's id; a ping, behind which there is none, has one of its delivery's."""
    return event_id(event_seq) if event_seq is not None else f"evt_{delivery_id[4:]}"
