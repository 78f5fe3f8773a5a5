"""What this tool says and how it ends: one JSON object or plain lines, and an exit status."""

import json
import sys
from typing import Any, NoReturn

from ledger.errors import LedgerError, RejectedError, TransientError

EXIT_FAILED = 1
EXIT_REJECTED = 2
EXIT_INTERRUPTED = 130
EXIT_TRY_AGAIN = 75
"""`EX_TEMPFAIL` of sysexits: the same command may succeed later."""


def say(text: str) -> None:
    """Write a line for the person."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_result(result: dict[str, Any], lines: str, *, as_json: bool) -> None:
    """Write a result for a program or for a person."""
    say(json.dumps(result) if as_json else lines)


def exit_status(error: LedgerError) -> int:
    """2 when the caller must change something, 75 when waiting may help, 1 for the rest."""
    if isinstance(error, RejectedError):
        return EXIT_REJECTED
    return EXIT_TRY_AGAIN if isinstance(error, TransientError) else EXIT_FAILED


def fail(error: LedgerError) -> NoReturn:
    """Say on standard error what went wrong, code first where there is one, and exit."""
    code = f"{error.code}: " if isinstance(error, RejectedError) else ""
    sys.stderr.write(f"billcoin-devnet: {code}{error}\n")
    sys.exit(exit_status(error))
