"""What a partner may ask of webhooks, checked before anything else looks at it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from ledger.errors import RejectedError
from ledger.event_types import EVENT_TYPES
from oracle_api.forms import ONE_LINE, PUBLIC_URL, WHOLE, StrictRequest
from oracle_api.pages import is_id
from oracle_api.webhooks.signing import SecretKind
from oracle_api.webhooks.target import MAX_URL_CHARACTERS

MAX_OVERLAP_HOURS: Final = 168
DEFAULT_OVERLAP_HOURS: Final = 24
MAX_EVENT_TYPES: Final = 50
MAX_DESCRIPTION_CHARACTERS: Final = 200

STATUSES: Final = ("pending", "delivered", "failed")

_EVENT_ID = re.compile(r"evt_([0-9a-f]{16})", re.ASCII)
_DELIVERY_ID = re.compile(r"whd_[0-9a-z]{26}(_[0-9a-f]{16})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)

_Url = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_URL_CHARACTERS), WithJsonSchema(PUBLIC_URL)
]
_EventTypes = Annotated[
    list[
        Annotated[
            str,
            StringConstraints(max_length=64),
            WithJsonSchema({"type": "string", "enum": sorted(EVENT_TYPES)}),
        ]
    ],
    Field(max_length=MAX_EVENT_TYPES),
]
_Description = Annotated[
    str,
    StringConstraints(max_length=MAX_DESCRIPTION_CHARACTERS, pattern=ONE_LINE),
]
_Place = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^evt_[0-7][0-9a-f]{15}$"},
                {"type": "string", "format": "date-time", "pattern": "^[0-9]{4}-.{15}"},
            ]
        }
    ),
]


class NewWebhookRequest(StrictRequest):
    """An endpoint to be made; no event types are all of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://shop.example/billcoin", "eventTypes": ["order.paid"]}]
        },
    )

    url: _Url
    eventTypes: _EventTypes = Field(default_factory=list)  # noqa: N815
    description: _Description | None = None
    signing: Annotated[SecretKind, Field(strict=False)] = SecretKind.HMAC


class ChangeWebhookRequest(StrictRequest):
    """What is to be different; what is not there stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"description": "the till of the shop"}]},
    )

    url: _Url | None = None
    eventTypes: _EventTypes | None = None  # noqa: N815
    description: _Description | None = None
    enabled: bool | None = None


class RotateSecretRequest(StrictRequest):
    """For how long the old secret signs as well, and whether the kind changes."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"overlapHours": 48}]},
    )

    overlapHours: Annotated[int, Field(ge=0, le=MAX_OVERLAP_HOURS), WHOLE] = DEFAULT_OVERLAP_HOURS  # noqa: N815
    signing: Annotated[SecretKind, Field(strict=False)] | None = None


class ReplayRequest(StrictRequest):
    """From where to where, both included: ids of events or moments; no end is now."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={"examples": [{"from": "2026-04-10T08:15:23Z"}]},
    )

    start: _Place = Field(alias="from")
    end: _Place | None = Field(default=None, alias="to")


def read_event_types(types: Sequence[str]) -> list[str]:
    """A filter of event types, in order and without repetition.

    Raises:
        RejectedError: `event_type_unknown`.
    """
    for one in types:
        if one not in EVENT_TYPES:
            names = ", ".join(sorted(EVENT_TYPES))
            raise RejectedError(
                "event_type_unknown", f"eventTypes must be of: {names}", param="eventTypes"
            )
    return sorted(set(types))


def read_webhook_id(text: str) -> str:
    """An endpoint's id; what cannot be one is none.

    Raises:
        RejectedError: `webhook_not_found`.
    """
    if not is_id(text, prefix="whe"):
        raise webhook_not_found()
    return text


def read_delivery_id(text: str) -> str:
    """A delivery's id; what cannot be one is none.

    Raises:
        RejectedError: `delivery_not_found`.
    """
    if _DELIVERY_ID.fullmatch(text) is None:
        raise delivery_not_found()
    return text


def read_delivery_before(text: str | None) -> str | None:
    """Where a page of deliveries ends.

    Raises:
        RejectedError: `before_invalid`.
    """
    if text is not None and _DELIVERY_ID.fullmatch(text) is None:
        raise RejectedError("before_invalid", "before must be a delivery's id", param="before")
    return text


def read_place(text: str, *, param: str) -> int | datetime:
    """A place in the journal: the number of an event, or a moment.

    Raises:
        RejectedError: `replay_range_invalid`.
    """
    event = _EVENT_ID.fullmatch(text)
    if event is not None:
        return int(event[1], 16)
    if _MOMENT.fullmatch(text) is not None:
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise RejectedError(
        "replay_range_invalid",
        "give an event's id such as evt_000000000000002a, or a moment such as 2026-04-10T08:15:23Z",
        param=param,
    )


def webhook_not_found() -> RejectedError:
    """The refusal for an endpoint that is not there, or somebody else's."""
    return RejectedError("webhook_not_found", "there is no such webhook", param="id")


def delivery_not_found() -> RejectedError:
    """The refusal for a delivery that this endpoint has not."""
    return RejectedError("delivery_not_found", "there is no such delivery", param="deliveryId")
