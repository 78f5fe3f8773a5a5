"""A link says where to go on from an answer: what it points at is there, and is what is wanted."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI

from oracle_api.application import create_oracle
from oracle_api.links import GIVERS
from oracle_api.settings import Settings

BY_NAME = {
    "create_api_v1_orders_post": {
        "read_api_v1_orders__order_id__get",
        "cancel_api_v1_orders__order_id__cancel_post",
        "qr_api_v1_orders__order_id__qr_svg_get",
        "create_api_v1_orders__order_id__refunds_post",
        "list_of_order_api_v1_orders__order_id__refunds_get",
        "of_order_api_v1_orders__order_id__batches_get",
    },
    "read_api_v1_orders__order_id__get": {
        "read_payment_proof_api_v1_payments__tx_hash__proof_get",
        "validate_payment",
    },
    "create_key_api_v1_accounts__account_id__keys_post": {
        "revoke_key_api_v1_accounts__account_id__keys__key_id__revoke_post",
    },
    "list_api_v1_webhooks__webhook_id__deliveries_get": {
        "redeliver_api_v1_webhooks__webhook_id__deliveries__delivery_id__redeliver_post",
    },
}
"""What a partner looks for; the others are made by the same rule."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    address = b"\x01" * 20
    settings = Settings(
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing",
        chain_id=1,
        token_address=address,
        vault_factory_address=address,
        vault_implementation_address=address,
        treasury_address=address,
        access="open",
    )
    api: FastAPI = create_oracle(settings).api
    return api.openapi()


Link = tuple[str, dict[str, Any], dict[str, Any]]


def links(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Link]]:
    """Each giver's operation and answer, with the link's name, itself and its target."""
    operations = {
        operation["operationId"]: operation
        for item in document["paths"].values()
        for operation in item.values()
    }
    for operation in operations.values():
        for answer in operation["responses"].values():
            for name, link in answer.get("links", {}).items():
                yield operation["operationId"], answer, (name, link, operations[name])


def pointed_at(expression: str, answer: dict[str, Any]) -> Any:
    (content,) = answer["content"].values()
    value = content["example"]
    for step in expression.removeprefix("$response.body#/").split("/"):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def test_what_a_partner_goes_on_to_is_linked(document: dict[str, Any]) -> None:
    found: dict[str, set[str]] = {}
    for giver, _, (name, _, _) in links(document):
        found.setdefault(giver, set()).add(name)
    assert len(found) == len(GIVERS)
    for giver, names in BY_NAME.items():
        assert found[giver] >= names


def test_every_link_finds_in_the_answer_what_its_target_takes(document: dict[str, Any]) -> None:
    """Of the answer's example, which is what the route really answers."""
    for giver, answer, (name, link, target) in links(document):
        wanted = {
            parameter["name"]: parameter["schema"]
            for parameter in target["parameters"]
            if parameter.get("in") == "path"
        }
        assert link.get("parameters", {}).keys() == wanted.keys(), (giver, name)
        for parameter, expression in link.get("parameters", {}).items():
            if expression == f"$request.path.{parameter}":
                continue
            value = pointed_at(expression, answer)
            assert jsonschema_rs.Draft202012Validator(wanted[parameter]).is_valid(value), (
                *(giver, name, value),
            )


def test_a_link_with_a_body_makes_one_that_its_target_takes(document: dict[str, Any]) -> None:
    made = [
        ({key: pointed_at(at, answer) for key, at in link["requestBody"].items()}, target)
        for _, answer, (_, link, target) in links(document)
        if "requestBody" in link
    ]
    assert made
    for body, target in made:
        (content,) = target["requestBody"]["content"].values()
        whole = content["schema"] | {"components": document["components"]}
        assert jsonschema_rs.Draft202012Validator(whole).is_valid(body), body
