"""Who did something, for the audit log, and how it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ledger.audit_chain import AuditEntry
from ledger.store.audit_log import record_audit
from ledger.store.pool import Connection


@dataclass(frozen=True, slots=True)
class Actor:
    """On whose behalf something is done."""

    id: str
    request_id: str | None = None

    async def note(
        self,
        connection: Connection,
        action: str,
        subject: str,
        details: Mapping[str, Any],
        *,
        now: datetime,
    ) -> None:
        """Write down what was done, in the transaction that does it, and last in it."""
        entry = AuditEntry(now, self.id, action, subject, details, self.request_id)
        await record_audit(connection, entry)


OFFICE_COMMAND: Final = Actor("office")
"""A command on the server: whoever can run it is the office."""
