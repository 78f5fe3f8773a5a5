"""How the catalogue looks in OpenAPI."""

from typing import Any, Final

from oracle_api.documentation import json_response

_EXAMPLE: Final = {"sku": "fresh-250ml", "name": "Fresh milk 250 ml", "priceMyr": "1.80"}
_PRODUCT: Final[dict[str, Any]] = {
    "type": "object",
    "required": list(_EXAMPLE),
    "properties": {
        "sku": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"},
        "name": {"type": "string"},
        "priceMyr": {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"},
    },
}

CATALOGUE: Final[dict[int | str, dict[str, Any]]] = {
    200: json_response(
        "Every product",
        {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "array", "items": _PRODUCT}},
        },
        {"data": [_EXAMPLE]},
    ),
    304: {"description": "Unchanged since If-None-Match"},
}
