"""A ledger that has its witness, for the seeded histories."""

from collections.abc import AsyncIterator

import pytest
import structlog
from witness import call_witness

from ledger.store.pool import Connection, connect


@pytest.fixture
async def witnessed_ledger(ledger_url: str) -> AsyncIterator[Connection]:
    """A connection to an empty ledger in which every commit is noted."""
    connection = await connect(ledger_url, application_name="chaos")
    await call_witness(connection)
    try:
        with structlog.testing.capture_logs():  # thousands of expected warnings
            yield connection
    finally:
        await connection.close()
