"""Passwords: Argon2id (RFC 9106), few at a time, beside the event loop."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from oracle_api.access.office import Office

MIN_CHARACTERS: Final = 12
MAX_CHARACTERS: Final = 200
"""Enough for any phrase; without a limit, one long password would keep a processor busy."""

# RFC 9106's second choice, for machines that have other things to do with their memory.
TIME_COST: Final = 3
MEMORY_KIBIBYTES: Final = 64 * 1024
LANES: Final = 4

AT_ONCE: Final = 2
"""Each takes 64 MiB and tens of milliseconds of a processor that payments need too."""

MAX_WAITING: Final = 64
"""Whoever comes beyond them is asked to come again: a queue that grows answers nobody."""

Result = TypeVar("Result")


def default_hasher() -> PasswordHasher:
    """The parameters of new hashes; older ones are renewed when their owner signs in."""
    return PasswordHasher(TIME_COST, MEMORY_KIBIBYTES, LANES)


class Passwords:
    """Hashes and checks passwords; one per process."""

    def __init__(self, office: Office, hasher: PasswordHasher | None = None) -> None:
        self._office = office
        self._hasher = hasher or default_hasher()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobody_s: str | None = None

    def check_new(self, password: str) -> None:
        """Make sure that a password may be one.

        Raises:
            DeniedError: `password_unfit`.
        """
        if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
            message = f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters"
            raise self._office.refused("password_unfit", message, param="password")

    async def hash(self, password: str) -> str:
        """The hash of a new password.

        Raises:
            UnavailableError: `sign_in_busy`.
        """
        return await self._apart(self.hash_now, password)

    def hash_now(self, password: str) -> str:
        """The same, for a command that has nothing else to do meanwhile."""
        return self._hasher.hash(_normal(password))

    async def is_right(self, password: str, stored: str | None) -> bool:
        """Whether this is the password; without a stored one it takes as long, and is not.

        Raises:
            UnavailableError: `sign_in_busy`.
        """
        return await self._apart(self._is_right_now, password, stored)

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _is_right_now(self, password: str, stored: str | None) -> bool:
        # Made before it is needed, or the first unknown name would take twice as long.
        nobody_s = self._of_nobody()
        try:
            self._hasher.verify(stored or nobody_s, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    def _of_nobody(self) -> str:
        """What an account that is not there is checked against, so that it takes as long."""
        if self._nobody_s is None:
            self._nobody_s = self._hasher.hash("nobody's")
        return self._nobody_s

    async def _apart(self, work: Callable[..., Result], *given: Any) -> Result:
        if self._waiting >= MAX_WAITING:
            raise self._office.busy()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    """The same characters however a keyboard composes them (RFC 8265, OpaqueString)."""
    return unicodedata.normalize("NFC", password)
