"""How the event stream looks in OpenAPI."""

from typing import Any

from oracle_api.documentation import UNAVAILABLE

STREAM: dict[str, Any] = {
    "tags": ["orders"],
    "summary": "Orders as they change, as server-sent events",
    "description": (
        "First `snapshot` with all open orders, then `order.*` events; with Last-Event-ID only "
        "what followed. `resync` announces a new snapshot when that cannot be told. See "
        "docs/till.md."
    ),
    "operationId": "stream_orders",
    "parameters": [
        {
            "name": name,
            "in": place,
            "description": "The id of the last event that you have.",
            "schema": {"type": "string"},
            "example": "41",
        }
        for name, place in (("Last-Event-ID", "header"), ("lastEventId", "query"))
    ],
    "responses": {
        "200": {
            "description": "An endless stream",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'event: snapshot\nid: 41\ndata: {"asOf":41,"orders":[]}\n\n',
                }
            },
        },
        "503": UNAVAILABLE,
    },
}
