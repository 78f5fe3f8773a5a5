"""docs/partner.md's commands and programs by name: a test that runs one takes it from here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
GUIDE: Final = (TESTS.parent / "docs" / "partner.md").read_text(encoding="utf-8")

_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANSWERS: Final = "json"
"""The language of what is shown, not run; whatever else is fenced is run."""

_INLINE: Final = re.compile(r"`((?:billcoin-[a-z]+|curl|make|node|npm|pip|python3?) [^`]+)`")

_MARKS: Final = {
    "start a demo": "make demo",
    "find the oracle": "export PATH=",
    "make an order": '"reference": "table 4"',
    "pay an order": "billcoin-devnet wallet pay",
    "ask whether it is paid": '"$ORACLE/api/v1/payments/validate"',
    "install the client": "pip install",
    "sell with the client": "import BillcoinClient",
    "try an answer": "billcoin-devnet sandbox",
    "list orders with a key": '"$ORACLE/api/v1/orders" -H',
    "sign in": '"$ORACLE/api/v1/tokens"',
    "pay without gas": '"$ORACLE/api/v1/payments/submit"',
    "ask for a refund": "refund-000417",
    "record a refund": "/transaction",
    "make a webhook": '"$ORACLE/api/v1/webhooks"',
    "verify a webhook in Python": "from standardwebhooks",
    "verify a webhook in JavaScript": 'from "standardwebhooks"',
}
"""What each of them has, and no other."""


def command(name: str) -> str:
    """The block of this name, as the guide has it."""
    (found,) = (text for text in blocks() if _MARKS[name] in text)
    return found


def blocks() -> list[str]:
    """All that the guide says to run, in its order."""
    return [text for language, text in _FENCED.findall(GUIDE) if language != _ANSWERS]


def inline_commands() -> list[str]:
    """Commands with arguments in the middle of a sentence."""
    return _INLINE.findall(_FENCED.sub("", GUIDE))


def unnamed_blocks() -> list[str]:
    """Blocks that no test can take, or of which it is unclear which test takes them."""
    return [text for text in blocks() if sum(mark in text for mark in _MARKS.values()) != 1]


def names_that_no_test_takes() -> set[str]:
    """Names that stand in no `command("...")` inside a test function."""
    return set(_MARKS) - {name for path in TESTS.rglob("test_*.py") for name in _taken_in(path)}


def _taken_in(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if "partner_guide" not in text:
        return
    for test in ast.walk(ast.parse(text)):
        if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef) and test.name.startswith(
            "test_"
        ):
            for call in ast.walk(test):
                match call:
                    case ast.Call(ast.Name("command"), [ast.Constant(str(name))]):
                        yield name
