"""Every code of a problem document has one row in docs/errors.md that says what to do."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pytest

from ledger.confidence import Doubt
from oracle_api import problems
from oracle_api.problems import problem, status_of

ROOT: Final = Path(__file__).parents[2]

REFUSALS: Final = {
    *("RejectedError", "DeniedError", "ThrottledError", "OverBudgetError", "MalformedError"),
    *("refused", "invalid", "forbidden", "_denied", "__init__", "_read_uint"),
}
"""What is called with a code whose status the table of `oracle_api.problems` tells."""

AWAY: Final = {"UnavailableError", "SignInBusyError"}

NEVER_ANSWERED: Final = {
    "setting_wrong": "stops a command or the start",
    "file_unwritable": "stops a command",
    "contracts_differ": "stops the start",
    "collect_budget_exhausted": "the keeper's, kept beside the standing order",
    **dict.fromkeys(
        (
            *("chain_invalid", "function_unsupported", "uri_invalid"),
            *("parameter_duplicate", "parameter_missing", "parameter_unknown"),
        ),
        "a wallet's that reads a payment request",
    ),
    **dict.fromkeys(
        (
            *("invalid_network", "invalid_x402_version", "unsupported_scheme"),
            "invalid_payment_requirements",
            "invalid_exact_evm_payload_authorization_value_mismatch",
            "invalid_exact_evm_payload_recipient_mismatch",
        ),
        "a reason of x402's, within a 200",
    ),
}
"""Codes of our errors that no problem document has, and why."""

NEVER_REFUSED: Final = {"ledger_empty": "a command refuses an empty ledger by the same name"}


class Row(NamedTuple):
    """A row of the table."""

    status: int
    code: str
    is_retryable: bool
    when: str
    remedy: str


def rows() -> list[Row]:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| (\d+) \| `(\w+)` \| (yes|no) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert len(found) == len(re.findall(r"^\| \d+", text, re.MULTILINE)), "a row is malformed"
    return [
        Row(int(status), code, again == "yes", when.strip(), remedy.strip())
        for status, code, again, when, remedy in found
    ]


@cache
def calls() -> frozenset[tuple[str, str]]:
    """What is called with a code, and the code, in all of the product that answers requests."""
    return frozenset(read_calls())


def read_calls() -> Iterator[tuple[str, str]]:
    for folder in ("oracle_api", "ledger"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            constants = dict(string_constants(tree))
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
                for value in [*call.args[:2], *named]:
                    text = text_of(value, constants)
                    if text is not None and re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", text):
                        yield name_of(call.func), text


def string_constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(node.target, ast.Name) and isinstance(value, str):
                yield node.target.id, value


def text_of(value: ast.expr, constants: dict[str, str]) -> str | None:
    match value:
        case ast.Constant(value=str() as text):
            return text
        case ast.Name(id=name):
            return constants.get(name)
    return None


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def sent() -> dict[str, int]:
    """The status of each code that a problem document can have."""
    found: dict[str, int] = dict.fromkeys(map(str, Doubt), 503)
    for name, code in calls():
        if name in AWAY:
            found[code] = 503
        elif name == "CapabilityOffError":
            found[f"{code}_off"] = 501
        elif name in REFUSALS and code not in {*NEVER_ANSWERED, *NEVER_REFUSED}:
            found[code] = status_of(code)
    found["internal_error"], found["upgrade_required"] = 500, 426
    return {code: status for code, status in found.items() if code not in NEVER_ANSWERED}


def test_every_code_has_exactly_one_row_and_no_row_lacks_a_code() -> None:
    assert sorted(row.code for row in rows()) == sorted(sent())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.code)
def test_a_row_says_what_the_problem_says_and_what_to_do(row: Row) -> None:
    assert row.status == sent()[row.code]
    document: dict[str, Any] = orjson.loads(problem(row.status, row.code, "", request_id="r").body)
    assert row.is_retryable is document["retryable"]
    assert min(len(row.when), len(row.remedy)) > len("-")


def test_rows_are_in_the_order_in_which_one_looks_for_them() -> None:
    assert rows() == sorted(rows(), key=lambda row: row[:2])


def test_no_status_is_kept_for_a_code_that_nobody_sends() -> None:
    assert problems._STATUS_OF_CODE.keys() <= sent().keys()


def test_no_exception_is_for_nothing() -> None:
    assert NEVER_ANSWERED.keys() | NEVER_REFUSED.keys() <= {code for _, code in calls()}
