"""OpenAPI says what is so: each example is sent and each answer, and no answer lacks one."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from access_support import Guarded, Person
from openapi_reader import Reader, check_answer, request_of
from oracle_support import ANYWHERE, Ledger, announcements, settings_for
from whole_oracle import everybody, paid_order, whole_oracle

from oracle_api.access.principal import Role
from oracle_api.access.route_roles import BLIND_ROUTES, ROUTE_ROLES
from oracle_api.application import create_oracle
from oracle_api.problems import status_of

PAGES = {("GET", path) for path in ("/openapi.json", "/till", "/till/", "/till/assets/{path:path}")}
PROBES = {("GET", path) for path in ("/healthz", "/readyz", "/metrics")}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return announcements().document


def test_it_is_openapi_3_1_and_has_every_route(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    there = {(method, path) for path, method, _ in Reader(document).operations()}
    assert {*ROUTE_ROLES} - there == PAGES | PROBES


def test_reading_it_twice_gives_the_same() -> None:
    api = create_oracle(settings_for(ANYWHERE)).api
    first = repr(api.openapi())
    assert repr(api.openapi()) == first


def test_every_answer_has_an_example_that_is_what_its_schema_says(document: dict[str, Any]) -> None:
    reader = Reader(document)
    for path, method, operation in reader.operations():
        assert {"400", "421", "429", "500"} <= operation["responses"].keys(), path
        for status, response in reader.responses(operation):
            where = (method, path, status)
            assert {"X-Request-Id", "BillCoin-Version"} <= response["headers"].keys(), where
            if status in {101, 204, 304}:
                assert "content" not in response, where
                continue
            ((media_type, content),) = response["content"].items()
            assert media_type == "application/problem+json" or status < 400, where
            reader.validator(content["schema"]).validate(content["example"])
            if status >= 400:
                problem = content["example"]
                assert problem["status"] == status, where
                assert status in {426, 500, 503} or status_of(problem["code"]) == status, where


def test_every_code_of_an_example_is_explained(document: dict[str, Any]) -> None:
    codes = set(re.findall(r"urn:billcoin:problem:(\w+)", repr(document)))
    guide = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    assert {code for code in codes if f"| `{code}` |" not in guide} == set()
    assert len(codes) > 50


def test_every_request_has_an_example_that_is_what_its_schema_says(
    document: dict[str, Any],
) -> None:
    reader = Reader(document)
    for path, method, operation in reader.operations():
        for parameter in map(reader.follow, operation["parameters"]):
            example = parameter.get("example") or parameter["schema"].get("examples", [None])[0]
            if parameter["in"] == "query":
                continue
            assert example is not None, (method, path, parameter["name"])
            reader.validator(parameter["schema"]).validate(example)
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            examples = reader.body_examples(operation)
            assert examples, (method, path)
            for example in examples:
                reader.validator(schema).validate(example)


@pytest.fixture
async def guarded(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Guarded]:
    async with whole_oracle(ledger, tmp_path) as guarded:
        yield guarded


async def what_there_is(guarded: Guarded, person: Person) -> dict[str, str]:
    """An id of each kind of thing that can be made without a chain, by its parameter's name."""
    order = await paid_order(guarded.ledger, person)
    other = await guarded.account("partner-1", Role.PARTNER)

    async def made(path: str, **body: Any) -> Any:
        status, document, _ = await person.call("POST", path, json=body)
        assert status == 201, document
        return document

    webhook = await made("/api/v1/webhooks", url="https://shop.example/hook")
    status, delivery, _ = await person.call("POST", f"/api/v1/webhooks/{webhook['id']}/test")
    assert status == 202
    key = await made(f"/api/v1/accounts/{other}/keys", name="k", scopes=["orders:read"])
    return {
        "order_id": order["id"],
        "account_id": other,
        "key_id": key["id"],
        "webhook_id": webhook["id"],
        "delivery_id": delivery["id"],
    }


LAST = {
    ("DELETE", "/api/v1/webhooks/{webhook_id}"),
    ("POST", "/api/v1/accounts/{account_id}/disable"),
}
"""What would take away what others are about: asked last."""


async def test_every_request_example_is_answered_as_documented(guarded: Guarded) -> None:
    """Once about what there is, once about the examples' own ids, of which there is nothing."""
    person = await everybody(guarded)
    await guarded.account("ada", Role.STUDENT)
    _, document, _ = await person.call("GET", "/openapi.json")
    reader, succeeded = Reader(document), set()
    real = await what_there_is(guarded, person)
    asked = [
        (path, method, operation, ids, number, body)
        for path, method, operation in reader.operations()
        if not path.endswith("/stream")  # it never ends: test_oracle_stream.py reads it
        for ids in ([{}, real] if "{" in path else [{}])
        for number, body in enumerate(reader.body_examples(operation) or [None])
    ]
    asked.sort(key=lambda one: (one[1], one[0]) in LAST)
    for path, method, operation, ids, number, body in asked:
        url, headers = request_of(reader, path, operation, ids)
        if "Idempotency-Key" in headers:
            headers["Idempotency-Key"] += f"-{number}-{len(ids)}-{path}"
        status, answer, told = await person.call(method, url, json=body, headers=headers)
        assert status != 500
        assert status not in {401, 403} or (method, path) in BLIND_ROUTES, (method, url, answer)
        check_answer(reader, operation, status, answer, told)
        if status < 300:
            succeeded.add((method, path))
    there = {(method, path) for path, method, _ in reader.operations()}
    assert sorted(there - succeeded - NEED_MORE) == []
    assert sorted(NEED_MORE & succeeded) == []


NEED_MORE = {
    ("DELETE", "/api/v1/wallets/{wallet_id}"),
    ("POST", "/api/v1/wallets"),
    ("GET", "/api/v1/flags/{flag_id}"),
    ("POST", "/api/v1/flags/{flag_id}/acknowledge"),
    ("POST", "/api/v1/flags/{flag_id}/clear"),
    ("GET", "/api/v1/standing-orders/{standing_order_id}"),
    ("POST", "/api/v1/standing-orders"),
    ("GET", "/api/v1/prices/milk/forecast"),
    ("GET", "/api/v1/batches/{batch_id}"),
    ("GET", "/api/v1/batches/{batch_id}/proof"),
    ("GET", "/api/v1/payments/{tx_hash}/proof"),
    ("POST", "/api/v1/payments/submit"),
    ("GET", "/api/v1/payments/submissions/{submission_id}"),
    ("GET", "/api/v1/orders/stream"),
    ("GET", "/api/v1/orders/ws"),
    ("GET", "/api/v1/loyalty/coupons/{coupon_id}/qr.svg"),
    ("POST", "/api/v1/loyalty/coupons/{coupon_id}/redeem"),
    ("POST", "/api/v1/orders/{order_id}/cancel"),
    ("POST", "/api/v1/orders/{order_id}/refunds"),
    ("GET", "/api/v1/orders/{order_id}/refunds/{refund_id}"),
    ("POST", "/api/v1/orders/{order_id}/refunds/{refund_id}/transaction"),
    ("POST", "/api/v1/orders/{order_id}/refunds/{refund_id}/cancel"),
}
"""What needs a chain, a signature or more than one step: test_oracle_examples.py takes them."""
