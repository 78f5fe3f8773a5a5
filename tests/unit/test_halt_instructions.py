"""Whatever halts the indexer tells the operator what to check, and which command to run then."""

import re
from pathlib import Path

import pytest

from indexer.__main__ import app
from indexer.halt_instructions import halt_instructions
from indexer.lead import HaltedError
from ledger.errors import CorruptError

MANUAL = (Path(__file__).parents[2] / "docs/operator.md").read_text()
RESUME = "`billcoin-indexer resume`, then start `billcoin-indexer run` again"
HALTS = {kind.__name__: kind for kind in CorruptError.__subclasses__()}
NOT_NOTED = [
    "WrongDeploymentError",
    "DeploymentMismatchError",
    "FollowedContractsError",
    "UnprovableChainError",
]
"""They end the process before it writes anything; there is nothing to resume."""


@pytest.mark.parametrize("code", NOT_NOTED)
def test_a_wrong_setting_is_corrected_and_the_indexer_started(code: str) -> None:
    told = halt_instructions(HALTS[code]("for a test"))
    assert "BILLCOIN_" in told
    assert told.count("`billcoin-indexer run`") == 1
    assert "resume" not in told


def test_broken_finality_is_compared_elsewhere_before_it_is_resumed() -> None:
    told = halt_instructions(HALTS["FinalityConflictError"]("for a test"))
    assert told.index("explorer") < told.index(RESUME)


@pytest.mark.parametrize("code", [*sorted(HALTS), "OfAnOlderVersion"])
def test_what_the_ledger_has_noted_must_be_resumed(code: str) -> None:
    assert RESUME in halt_instructions(HaltedError("halted before", earlier_code=code))


def test_what_nobody_thought_of_has_instructions_too() -> None:
    assert RESUME in halt_instructions(CorruptError("the ledger was registered and is not there"))


@pytest.mark.parametrize("code", [*NOT_NOTED, "FinalityConflictError", "HaltedError"])
def test_the_heading_and_the_commands_that_are_named_exist(code: str) -> None:
    error = HaltedError("", earlier_code="") if code == "HaltedError" else HALTS[code]("")
    told = halt_instructions(error)
    (heading,) = re.findall(r'docs/operator\.md, "(.+)"', told)
    section = MANUAL.split(f"\n### {heading}\n")[1].split("\n### ")[0]
    assert f"`{code}`" in section
    commands = {
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback
    }
    assert set(re.findall(r"`billcoin-indexer (\S+)`", told)) <= commands
