"""The hash chain of the audit log: each entry commits to the one before it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

GENESIS_HASH: Final = bytes(32)
"""What the first entry follows."""

_DOMAIN: Final = b"billcoin audit entry v1\n"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to what; `details` holds strings, integers, booleans and nulls only."""

    at: datetime
    actor: str
    """An account's id, or `office` for a command on the server, or `system`."""
    action: str
    """A dotted name in the past tense, such as `account.created`."""
    subject: str
    """The id of what it was done to."""
    details: Mapping[str, Any]
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    """An entry in its place; `seq` counts from 1 without gaps, hashes are 32 bytes."""

    seq: int
    entry: AuditEntry
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Tampering:
    """The first place where the log is not what was written, and what is wrong there."""

    seq: int
    code: str
    message: str


def moment_text(at: datetime) -> str:
    """The time as it is hashed and shown: RFC 3339 in UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def entry_hash(seq: int, entry: AuditEntry, previous_hash: bytes) -> bytes:
    """SHA-256 over the entry in its place, 32 bytes.

    The entry is written as JSON with sorted keys, without spaces, in UTF-8, so that an exported
    log can be checked anywhere.
    """
    fields = [
        seq,
        moment_text(entry.at),
        entry.actor,
        entry.action,
        entry.subject,
        dict(entry.details),
        entry.request_id,
        previous_hash.hex(),
    ]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(_DOMAIN + text.encode()).digest()


def follow(last_seq: int, last_hash: bytes, entry: AuditEntry) -> ChainedEntry:
    """The entry as the next one of a chain that ends with this number and hash."""
    seq = last_seq + 1
    return ChainedEntry(seq, entry, last_hash, entry_hash(seq, entry, last_hash))


class ChainCheck:
    """Reads a log from its first entry to its last and finds the first that was tampered with."""

    def __init__(self) -> None:
        self.last_seq = 0
        self.last_hash = GENESIS_HASH

    def read(self, entries: Iterable[ChainedEntry]) -> Tampering | None:
        """Go on with the entries that follow; None while they are as they were written."""
        for chained in entries:
            seq = self.last_seq + 1
            if chained.seq != seq:
                return Tampering(seq, "entry_missing", f"entry {seq} is not there")
            if chained.previous_hash != self.last_hash:
                return Tampering(seq, "link_broken", f"entry {seq} does not follow the one before")
            if entry_hash(seq, chained.entry, chained.previous_hash) != chained.hash:
                return Tampering(seq, "entry_changed", f"entry {seq} was changed")
            self.last_seq, self.last_hash = seq, chained.hash
        return None

    def finish(self, *, head_seq: int, head_hash: bytes) -> Tampering | None:
        """Compare with the log's head, which an entry cut off at the end would contradict."""
        if (head_seq, head_hash) == (self.last_seq, self.last_hash):
            return None
        seq = min(head_seq, self.last_seq) + 1
        return Tampering(seq, "head_differs", f"the head names entry {head_seq} and another hash")
