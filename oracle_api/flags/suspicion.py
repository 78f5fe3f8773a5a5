"""Notices callers whose validations keep failing (US-006), and never delays an answer for it."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from ledger.ids import sortable_id
from ledger.store.flags import Flag, raise_flag
from ledger.store.pool import Connection
from ledger.verdict import Code
from oracle_api.access.principal import OPEN, Principal, Role
from oracle_api.budgets.policy import Budget, spender_of
from oracle_api.budgets.settings import BudgetSettings
from oracle_api.budgets.spending import Spender
from oracle_api.database import Database
from oracle_api.problems import UnavailableError
from oracle_api.times import Clock, to_datetime

REASON: Final = "failed_validations"
WINDOW_SECONDS: Final = 300
RETRY_SECONDS: Final = 2.0
MAX_SUBJECTS_WAITING: Final = 1_000
"""While the database is away; whoever fails beyond them is flagged by a later failure."""

_ON_ITS_WAY: Final = frozenset({Code.VALID, Code.AWAITING_FINALITY})

log = structlog.get_logger()

Tell = Callable[[Connection, Flag], Awaitable[None]]
"""Enqueues the alert in the transaction that raises the flag."""


class Suspicion:
    """Counts failures by caller, and raises a flag for whoever has too many."""

    def __init__(
        self,
        settings: BudgetSettings,
        spender: Spender,
        database: Database,
        clock: Clock,
        *,
        tell: Tell,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._of_people = Budget("failures", settings.user_failures_limit, WINDOW_SECONDS)
        self._of_systems = Budget("failures", settings.partner_failures_limit, WINDOW_SECONDS)
        self._spender, self._database, self._clock = spender, database, clock
        self._tell, self._random_bytes = tell, random_bytes
        self._waiting: Counter[str] = Counter()
        self._is_waiting = asyncio.Event()

    async def saw(self, principal: Principal, code: Code) -> None:
        """Take note of an answer; a partner or a till speaks for many people."""
        if code in _ON_ITS_WAY or principal is OPEN:
            return
        is_system = principal.has(Role.PARTNER, Role.TILL)
        budget = self._of_systems if is_system else self._of_people
        whose = spender_of(principal)
        if (await self._spender.spend(budget, whose)).is_allowed:
            return
        if whose in self._waiting or len(self._waiting) < MAX_SUBJECTS_WAITING:
            self._waiting[whose] += 1
            self._is_waiting.set()

    async def run(self) -> None:
        """Write flags down as they are earned; while the database is away they wait."""
        while True:
            await self._is_waiting.wait()
            self._is_waiting.clear()
            while self._waiting:
                whose, failures = next(iter(self._waiting.items()))
                try:
                    await self._raise(whose, failures)
                except UnavailableError:
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    self._forget(whose, failures)

    def _forget(self, whose: str, failures: int) -> None:
        """Take off what was written; more may have come meanwhile."""
        self._waiting[whose] -= failures
        if self._waiting[whose] <= 0:
            del self._waiting[whose]

    async def _raise(self, whose: str, failures: int) -> None:
        now = self._clock()
        new_id = sortable_id(
            "flg", unix_milliseconds=int(now * 1000), randomness=self._random_bytes(10)
        )
        async with self._database.writing() as connection:
            flag, is_news = await raise_flag(
                connection,
                new_id=new_id,
                subject=whose,
                reason=REASON,
                failures=failures,
                now=to_datetime(now),
            )
            if is_news:
                await self._tell(connection, flag)
        if is_news:
            log.warning("flagged", flagId=flag.id, subject=whose, reason=REASON)
