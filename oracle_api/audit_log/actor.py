"""Who asks, for the audit log."""

from starlette.requests import Request

from ledger.store.actor import Actor


def actor_of(request: Request) -> Actor:
    """Whoever asks."""
    return Actor(request.state.principal.account_id, request.state.request_id)
