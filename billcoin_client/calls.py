"""Each call of the API as a value: what to send, and how to read the answer."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from billcoin_client.decoding import decode
from billcoin_client.errors import AnswerMalformedError
from billcoin_client.models import AttestationSigners, Order, OrderPage, Validation

Result = TypeVar("Result")
Amount = Decimal | str
"""A plain decimal; a float is refused, since it is not what was typed."""


@dataclass(frozen=True)
class Answer:
    """An answer that is no refusal."""

    status: int
    headers: Mapping[str, str]
    text: str
    document: Any


@dataclass(frozen=True)
class Call(Generic[Result]):
    """One request; repeating it does no harm, whatever its method."""

    method: str
    path: str
    read: Callable[[Answer], Result]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0


def create_order(
    items: Mapping[str, int] | None,
    amount_myr: Amount | None,
    *,
    reference: str | None,
    expires_in_seconds: int | None,
    idempotency_key: str | None,
) -> Call[Order]:
    """An order; a key of ours makes repeating it safe."""
    body: dict[str, Any] = {}
    if items is not None:
        body["items"] = [{"sku": sku, "quantity": count} for sku, count in items.items()]
    if amount_myr is not None:
        body["amountMyr"] = plain(amount_myr)
    if reference is not None:
        body["reference"] = reference
    if expires_in_seconds is not None:
        body["expiresInSeconds"] = expires_in_seconds
    key = idempotency_key or str(uuid.uuid4())
    headers = {"Idempotency-Key": key}
    return Call("POST", "/api/v1/orders", _order, body=body, headers=headers)


def read_order(order_id: str, wait_seconds: float, known: Order | None) -> Call[Order]:
    """An order as it stands, or, with `known`, as soon as it is another."""
    headers = _preference(wait_seconds)
    if known is not None and known.etag is not None:
        headers["If-None-Match"] = known.etag

    def read(answer: Answer) -> Order:
        is_unchanged = answer.status == 304  # noqa: PLR2004 - HTTP's Not Modified
        return known if is_unchanged and known is not None else _order(answer)

    path = f"/api/v1/orders/{quote(order_id, safe='')}"
    return Call("GET", path, read, headers=headers, wait_seconds=wait_seconds)


def list_orders(statuses: Iterable[str], page_size: int, before: str | None) -> Call[OrderPage]:
    """A page of orders, newest first."""
    query = {"limit": str(page_size)}
    if names := ",".join(map(str, statuses)):
        query["status"] = names
    if before is not None:
        query["before"] = before
    return Call("GET", "/api/v1/orders", _decoded(OrderPage), query=query)


def cancel_order(order_id: str) -> Call[Order]:
    """A cancelled order; cancelling twice is as good as once."""
    return Call("POST", f"/api/v1/orders/{quote(order_id, safe='')}/cancel", _order)


def qr_svg(order_id: str) -> Call[str]:
    """The payment request as an image."""
    path = f"/api/v1/orders/{quote(order_id, safe='')}/qr.svg"
    return Call("GET", path, _svg)


def validate(
    tx_hash: str,
    expected_amount: Amount,
    *,
    currency: str,
    order_id: str | None,
    wait_seconds: float,
    consumer: str | None,
    attest: bool,
) -> Call[Validation]:
    """The verdict on a payment."""
    body: dict[str, Any] = {
        "txHash": tx_hash,
        "expectedAmount": plain(expected_amount),
        "currency": currency,
    }
    if order_id is not None:
        body["orderId"] = order_id
    if attest or consumer is not None:
        body["attest"] = True
    if consumer is not None:
        body["consumer"] = consumer
    return Call(
        "POST",
        "/api/v1/payments/validate",
        _decoded(Validation),
        body=body,
        headers=_preference(wait_seconds),
        wait_seconds=wait_seconds,
    )


def payment_proof(tx_hash: str) -> Call[dict[str, Any]]:
    """The Merkle proof of a payment, as a document."""
    path = f"/api/v1/payments/{quote(tx_hash, safe='')}/proof"
    return Call("GET", path, _object)


def attestation_signers() -> Call[AttestationSigners]:
    """Whose attestations to trust."""
    path = "/.well-known/billcoin-attestation.json"
    return Call("GET", path, _decoded(AttestationSigners))


def plain(amount: Amount) -> str:
    """An amount as the API takes it: no exponent, no sign.

    Raises:
        TypeError: it is a float or something else that is not exact.
    """
    if isinstance(amount, Decimal):
        return format(amount, "f")
    if not isinstance(amount, str):
        raise TypeError(f"{amount!r} is no exact amount: give a Decimal or a str")
    return amount


def _preference(wait_seconds: float) -> dict[str, str]:
    return {"Prefer": f"wait={int(wait_seconds)}"} if wait_seconds >= 1 else {}


def _decoded(model: type[Result]) -> Callable[[Answer], Result]:
    return lambda answer: decode(model, answer.document)


def _svg(answer: Answer) -> str:
    if not answer.headers.get("content-type", "").startswith("image/svg+xml"):
        raise AnswerMalformedError("the answer is no image")
    return answer.text


def _object(answer: Answer) -> dict[str, Any]:
    if not isinstance(answer.document, dict):
        raise AnswerMalformedError("the answer is no JSON object")
    return answer.document


def _order(answer: Answer) -> Order:
    document = answer.document
    tag = answer.headers.get("etag")
    # The tag is part of the answer, though not of its body.
    return decode(Order, document | {"etag": tag} if isinstance(document, dict) else document)
