"""The client can be installed alone, and its models are those of the OpenAPI document."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from partner_guide import command

from billcoin_client import models
from billcoin_client.attestation import FIELDS
from billcoin_client.decoding import decode, wire_name
from billcoin_client.version import VERSION
from ledger import attestation as ledger_attestation
from ledger.order import Finality, Status
from oracle_api.application import create_oracle
from oracle_api.settings import Settings

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "billcoin_client"
ADDRESS = "0x" + "5e" * 20
VALIDATE = ("/api/v1/payments/validate", "post", "200")
READ = ("/api/v1/orders/{order_id}", "get", "200")
LIST = ("/api/v1/orders", "get", "200")
SIGNERS = ("/.well-known/billcoin-attestation.json", "get", "200")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    names = ("token", "vault_factory", "vault_implementation", "treasury")
    settings = Settings(
        DATABASE_URL="postgresql://nobody@127.0.0.1/nothing",
        chain_id=1,
        access="open",
        **{f"{name}_address": ADDRESS for name in names},
    )
    # As partners read it.
    loaded: dict[str, Any] = json.loads(json.dumps(create_oracle(settings).api.openapi()))
    return loaded


def answer_of(document: dict[str, Any], path: str, method: str, status: str) -> dict[str, Any]:
    responses = document["paths"][path][method]["responses"]
    found: dict[str, Any] = responses[status]["content"]["application/json"]
    return found


def names_of(model: type[Any]) -> set[str]:
    return {wire_name(field.name) for field in dataclasses.fields(model)}


@pytest.mark.parametrize(
    ("model", "where", "inside"),
    [
        (models.Order, READ, ()),
        (models.OrderPage, LIST, ()),
        (models.Validation, VALIDATE, ()),
        (models.Verdict, VALIDATE, ("verdict",)),
        (models.SignedAttestation, VALIDATE, ("attestation",)),
        (models.Domain, VALIDATE, ("attestation", "domain")),
        (models.AttestationSigners, SIGNERS, ()),
    ],
)
def test_a_model_has_the_very_fields_of_its_schema(
    document: dict[str, Any], model: type[Any], where: tuple[str, str, str], inside: tuple[str, ...]
) -> None:
    schema = answer_of(document, *where)["schema"]
    for name in inside:
        schema = schema["properties"][name]
    # The tag is a header; everything else that the API tells, the client tells.
    assert names_of(model) - {"etag"} == set(schema["properties"])


@pytest.mark.parametrize(
    ("model", "where"),
    [
        (models.Order, READ),
        (models.Order, ("/api/v1/orders", "post", "201")),
        (models.OrderPage, LIST),
        (models.Validation, VALIDATE),
        (models.AttestationSigners, SIGNERS),
    ],
)
def test_the_document_s_examples_are_read_whole(
    document: dict[str, Any], model: type[Any], where: tuple[str, str, str]
) -> None:
    example = answer_of(document, *where)["example"]
    read = decode(model, example)
    assert set(example) <= names_of(model)
    assert isinstance(read, model)


def test_the_example_of_an_attestation_is_read_whole(document: dict[str, Any]) -> None:
    (example,) = answer_of(document, *VALIDATE)["schema"]["properties"]["attestation"]["examples"]
    read = decode(models.SignedAttestation, example)
    assert set(read.message) == set(FIELDS)


def test_every_call_of_the_client_is_in_the_document(document: dict[str, Any]) -> None:
    for path, method in (
        *(("/api/v1/orders", "post"), ("/api/v1/orders", "get"), READ[:2], VALIDATE[:2]),
        ("/api/v1/orders/{order_id}/cancel", "post"),
        ("/api/v1/orders/{order_id}/qr.svg", "get"),
        ("/api/v1/payments/{tx_hash}/proof", "get"),
        SIGNERS[:2],
    ):
        assert method in document["paths"][path]


def test_words_and_fields_are_the_ledger_s() -> None:
    assert {*models.OrderStatus} == {*map(str, Status)}
    assert [*models.Finality] == [*map(str, Finality)]
    assert tuple(FIELDS.items()) == ledger_attestation.FIELDS


def test_it_can_be_installed_alone_and_then_needs_nothing_of_ours(tmp_path: Path) -> None:
    # Beside a copy, since building leaves files; of libraries, those that are here will do.
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    alone = tmp_path / "alone"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    offline = {
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's own way of saying: without
        "PIP_TARGET": str(alone),
    }
    installed = subprocess.run(  # noqa: S603 - the guide's command
        ["/bin/sh", "-e", "-c", command("install the client")],
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path), **offline},
        check=False,
        capture_output=True,
        text=True,
    )
    assert installed.returncode == 0, installed.stderr
    assert {one.name for one in alone.iterdir() if one.suffix != ".dist-info"} == {PACKAGE.name}
    assert (alone / PACKAGE.name / "py.typed").exists()
    program = (
        "import billcoin_client, sys; print(billcoin_client.__file__);"
        "assert not {'ledger', 'contracts', 'oracle_api', 'devnet'} & set(sys.modules)"
    )
    ran = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-W", "error", "-c", program],
        cwd=alone,
        env={"PATH": path, "PYTHONPATH": str(alone)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.startswith(str(alone))


def test_its_version_and_its_needs_are_the_project_s() -> None:
    own = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert own["version"] == VERSION == whole["version"]
    # eth-utils comes with eth-account.
    assert set(own["dependencies"]) - {"eth-utils>=5"} <= set(whole["dependencies"])
