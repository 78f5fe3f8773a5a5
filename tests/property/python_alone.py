"""The ledger without its compiled part, which is the definition of what that part may answer."""

import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

needs_headers = pytest.mark.skipif(
    not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="Python's headers are missing here, so that nothing was compiled",
)

# Where each function of `ledger.usual` is called.
CALLED = (
    "ledger.header.encode_fields",
    "ledger.json_hex.decode_data",
    "ledger.receipts.encode_usual_receipt",
    "ledger.transactions.encode_fields",
    "ledger.transfer.read_usual_transfers",
)


@contextmanager
def python_alone() -> Iterator[None]:
    """Nothing is usual for the length of the block."""
    with ExitStack() as exits:
        for name in CALLED:
            exits.enter_context(patch(name, lambda *_: None))
        yield
