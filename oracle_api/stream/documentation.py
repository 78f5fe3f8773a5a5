"""How the event stream looks in OpenAPI."""

from typing import Any

from oracle_api.documentation import UNAVAILABLE, problem_response

_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": name,
        "in": place,
        "description": "The id of the last event that you have.",
        "schema": {"type": "string"},
        "example": "41",
    }
    for name, place in (("Last-Event-ID", "header"), ("lastEventId", "query"))
]

STREAM: dict[str, Any] = {
    "tags": ["orders"],
    "summary": "Orders as they change, as server-sent events",
    "description": (
        "First `snapshot` with all open orders, then `order.*` events; with Last-Event-ID only "
        "what followed. `resync` announces a new snapshot when that cannot be told. See "
        "docs/till.md."
    ),
    "operationId": "stream_orders",
    "parameters": _PARAMETERS,
    "responses": {
        "200": {
            "description": "An endless stream",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": (
                        "retry: 1000\n\nevent: snapshot\nid: 41\n"
                        'data: {"asOf":41,"orders":[],"hasMore":false}\n\n'
                    ),
                }
            },
        },
        "503": UNAVAILABLE,
    },
}

SOCKET: dict[str, Any] = {
    "tags": ["orders"],
    "summary": "Orders as they change, over a WebSocket",
    "description": (
        "The events of /api/v1/orders/stream. Each text frame is a JSON array of messages "
        "`{event, id, data}`; send none yourself. Pings come every 15 seconds and must be "
        "answered. See docs/till.md."
    ),
    "operationId": "follow_orders",
    "parameters": _PARAMETERS,
    "responses": {
        "101": {"description": "An endless stream of frames"},
        "426": problem_response("It is no WebSocket handshake", 426, "upgrade_required", None),
        "503": UNAVAILABLE,
    },
}
