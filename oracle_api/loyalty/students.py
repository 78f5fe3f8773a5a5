"""Turns student ids into what the ledger may keep of them, by a key that only the oracle has."""

import secrets
from typing import overload

import structlog

from ledger.loyalty import customer_of
from oracle_api.access.settings import is_loopback
from oracle_api.problems import CapabilityOffError
from oracle_api.settings import Settings

KEY_BYTES = 32

log = structlog.get_logger()


class Students:
    """Knows students by their keyed hash alone; without a key it knows nobody."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    @overload
    def customer(self, student_id: str) -> bytes: ...

    @overload
    def customer(self, student_id: str | None) -> bytes | None: ...

    def customer(self, student_id: str | None) -> bytes | None:
        """Whose points they are; None for an order of nobody in particular.

        Raises:
            CapabilityOffError: `loyalty_off`, when the operator has set no key.
        """
        if student_id is None:
            return None
        if self._key is None:
            message = "this oracle keeps no loyalty points"
            raise CapabilityOffError("loyalty", message, param="studentId")
        return customer_of(self._key, student_id)


def students_of(settings: Settings) -> Students:
    """The students of an oracle; on the loopback interface without a key one is made up.

    Points cannot be found again with another key, so that a made-up one serves for development
    and for nothing else.
    """
    key = settings.student_key
    if key is None and is_loopback(settings.oracle_host):
        log.warning("student hash key made up: loyalty points are lost when this process ends")
        key = secrets.token_bytes(KEY_BYTES)
    return Students(key)
