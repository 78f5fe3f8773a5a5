"""JSON answers of FastAPI's routes, which nobody may keep."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from fastapi import Response

JSON_TYPE: Final = "application/json"


def json_of(
    document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The document as an answer; orjson, so that big integers and times are written one way."""
    return Response(
        orjson.dumps(document),
        status_code=status,
        media_type=JSON_TYPE,
        headers={"cache-control": "no-store"} | dict(headers or {}),
    )
