"""What is wrong with a body or a parameter that is not in its form, in words of ours."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledger.errors import RejectedError
from oracle_api.forms import ONE_LINE

_MAX_PARAM: Final = 120
"""Characters; whoever sends a name of 60,000 need not read it again."""

_NO_OBJECT: Final = "the body must be a JSON object, sent with Content-Type: application/json"

_ONE_LINE_TOLD: Final = (
    "must be one line, without control characters and marks that turn the writing around"
)
_OF_LISTS: Final = frozenset({"limit", "before"})


def refusal_of(errors: Sequence[Mapping[str, Any]]) -> RejectedError:
    """The refusal for the first of pydantic's errors, whose `loc` begins with `body` or `query`."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"][1:])[:_MAX_PARAM]
    if first["type"] == "json_invalid":
        # Its place is a position inside broken JSON.
        return RejectedError("body_malformed", "the body is not JSON")
    if not place:
        return RejectedError("body_malformed", _NO_OBJECT)
    if first["type"] == "missing":
        return RejectedError("field_missing", f"{place} is missing", param=place)
    if first["type"] == "extra_forbidden":
        return RejectedError("field_unknown", f"there is no field {place!r}", param=place)
    if first["loc"][0] == "query" and place in _OF_LISTS:
        return RejectedError(f"{place}_invalid", f"{place} is too long", param=place)
    is_unfit = first["type"] == "string_pattern_mismatch" and first["ctx"]["pattern"] == ONE_LINE
    told = f"{place} {_ONE_LINE_TOLD}" if is_unfit else first["msg"]
    return RejectedError("parameter_invalid", told, param=place)
