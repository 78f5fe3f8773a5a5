"""Spends from budgets, in this process's memory or in a Redis that all replicas share."""

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter as SharedFixedWindow
from limits.aio.strategies import MovingWindowRateLimiter as SharedMovingWindow
from limits.aio.strategies import RateLimiter as SharedRateLimiter
from limits.aio.strategies import SlidingWindowCounterRateLimiter as SharedSlidingWindow
from limits.errors import StorageError
from limits.storage import MemoryStorage
from limits.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)

from ledger.errors import RejectedError
from oracle_api.budgets.policy import Budget
from oracle_api.budgets.settings import BudgetSettings
from oracle_api.problems import Header

log = structlog.get_logger()

EXACT_UP_TO: Final = 60
"""Small budgets remember each spending; larger ones estimate by two counters, in fixed memory."""

MAX_REMEMBERED: Final = 20_000
"""Callers of one budget in memory; for one more, whoever spent longest ago is forgotten."""

REDIS_TIMEOUT_SECONDS: Final = 0.25
MAX_REDIS_CONNECTIONS: Final = 20
RETRY_REDIS_AFTER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Spending:
    """What became of one request; `reset_seconds` until the budget is whole again."""

    budget: Budget
    is_allowed: bool
    remaining: int
    reset_seconds: int

    @property
    def headers(self) -> tuple[Header, ...]:
        """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10)."""
        name = self.budget.name
        policy = f'"{name}";q={self.budget.limit};w={self.budget.window_seconds}'
        state = f'"{name}";r={self.remaining};t={self.reset_seconds}'
        return ((b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode()))


class Spender(Protocol):
    """Spends one from a caller's budget."""

    async def spend(self, budget: Budget, whose: str) -> Spending:
        """Spend one, unless nothing is left."""

    async def give_back(self, budget: Budget, whose: str) -> None:
        """Take back what was spent from a refundable budget."""

    async def forget(self, budget: Budget, whose: str) -> None:
        """Let a budget be whole again."""

    async def close(self) -> None:
        """Let go of connections."""


AnyLimiter = TypeVar("AnyLimiter")


@dataclass(frozen=True, slots=True)
class _Strategies(Generic[AnyLimiter]):
    """The three ways of counting, over one storage."""

    refundable: AnyLimiter
    exact: AnyLimiter
    estimated: AnyLimiter

    def of(self, budget: Budget) -> AnyLimiter:
        if budget.is_refundable:
            return self.refundable
        return self.exact if budget.limit <= EXACT_UP_TO else self.estimated


class MemorySpender:
    """Budgets of this process alone, in bounded memory however many callers there are.

    The storage never lets go of who spent from an exact budget, so that is done here.
    """

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._strategies: _Strategies[RateLimiter] = _Strategies(
            FixedWindowRateLimiter(self._storage),
            MovingWindowRateLimiter(self._storage),
            SlidingWindowCounterRateLimiter(self._storage),
        )
        self._spent_at: dict[Budget, OrderedDict[str, float]] = {}

    async def spend(self, budget: Budget, whose: str) -> Spending:
        """Spend one, unless nothing is left."""
        self._remember(budget, whose)
        item, strategy = _item(budget), self._strategies.of(budget)
        # A window would count those that it refuses too, and they outlast what is given back.
        is_allowed = not budget.is_refundable or strategy.test(item, budget.name, whose)
        is_allowed = is_allowed and strategy.hit(item, budget.name, whose)
        stats = strategy.get_window_stats(item, budget.name, whose)
        return _spending(budget, is_allowed, stats.remaining, stats.reset_time)

    async def give_back(self, budget: Budget, whose: str) -> None:
        """Take back what was spent from a refundable budget, unless its window is over."""
        item = _item(budget)
        if self._storage.get(item.key_for(budget.name, whose)) > 0:
            self._strategies.refundable.hit(item, budget.name, whose, cost=-1)

    async def forget(self, budget: Budget, whose: str) -> None:
        """Let a budget be whole again."""
        if budget in self._spent_at:
            self._spent_at[budget].pop(whose, None)
        self._clear(budget, whose)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _remember(self, budget: Budget, whose: str) -> None:
        now, spent_at = time.monotonic(), self._spent_at.setdefault(budget, OrderedDict())
        spent_at[whose] = now
        spent_at.move_to_end(whose)
        # Twice the window, since the estimate looks at the one before too.
        over = now - 2 * budget.window_seconds
        while len(spent_at) > MAX_REMEMBERED or next(iter(spent_at.values())) < over:
            longest_ago, _ = spent_at.popitem(last=False)
            self._clear(budget, longest_ago)

    def _clear(self, budget: Budget, whose: str) -> None:
        item = _item(budget)
        # The storage has a thread that tidies, which must not be in the middle of the same one.
        with self._storage.locks[item.key_for(budget.name, whose)]:
            self._strategies.of(budget).clear(item, budget.name, whose)


class RedisSpender:
    """Budgets that all replicas share, spent atomically by scripts inside Redis.

    While Redis is away each replica counts for itself: a payment must not fail for want of a
    counter, and nobody gets more than one budget for each replica.
    """

    def __init__(self, url: str, *, timeout_seconds: float = REDIS_TIMEOUT_SECONDS) -> None:
        # The extra `redis` is only needed here.
        from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415

        self._connections = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_REDIS_CONNECTIONS,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
        )
        options: dict[str, Any] = {"connection_pool": self._connections}
        storage = RedisStorage(
            f"async+{url}", implementation="redispy", wrap_exceptions=True, **options
        )
        self._strategies: _Strategies[SharedRateLimiter] = _Strategies(
            SharedFixedWindow(storage), SharedMovingWindow(storage), SharedSlidingWindow(storage)
        )
        self._alone = MemorySpender()
        self._away_until = 0.0

    @property
    def is_alone(self) -> bool:
        """Whether this replica counts for itself because Redis does not answer."""
        return asyncio.get_running_loop().time() < self._away_until

    async def spend(self, budget: Budget, whose: str) -> Spending:
        """Spend one, unless nothing is left."""
        if self.is_alone:
            return await self._alone.spend(budget, whose)
        item, strategy = _item(budget), self._strategies.of(budget)
        try:
            is_allowed = not budget.is_refundable or await strategy.test(item, budget.name, whose)
            is_allowed = is_allowed and await strategy.hit(item, budget.name, whose)
            stats = await strategy.get_window_stats(item, budget.name, whose)
        except StorageError as error:
            self._goes_on_alone(error)
            return await self._alone.spend(budget, whose)
        return _spending(budget, is_allowed, stats.remaining, stats.reset_time)

    async def give_back(self, budget: Budget, whose: str) -> None:
        """Take back what was spent from a refundable budget."""
        if self.is_alone:
            return await self._alone.give_back(budget, whose)
        try:
            await self._strategies.refundable.hit(_item(budget), budget.name, whose, cost=-1)
        except StorageError as error:
            self._goes_on_alone(error)

    async def forget(self, budget: Budget, whose: str) -> None:
        """Let a budget be whole again."""
        if self.is_alone:
            return await self._alone.forget(budget, whose)
        try:
            await self._strategies.of(budget).clear(_item(budget), budget.name, whose)
        except StorageError as error:
            self._goes_on_alone(error)

    def _goes_on_alone(self, error: StorageError) -> None:
        log.warning("budgets are not shared: Redis does not answer", error=str(error))
        self._away_until = asyncio.get_running_loop().time() + RETRY_REDIS_AFTER_SECONDS

    async def close(self) -> None:
        """Let go of connections."""
        await self._connections.disconnect()


def spender_for(settings: BudgetSettings) -> Spender:
    """The way of counting that the settings ask for.

    Raises:
        RejectedError: `setting_wrong`: the extra `redis` is not installed.
    """
    if settings.limits_url is None:
        return MemorySpender()
    try:
        return RedisSpender(settings.limits_url.get_secret_value())
    except ImportError:
        message = "BILLCOIN_LIMITS_URL needs the extra: pip install 'billcoin-pay[redis]'"
        raise RejectedError("setting_wrong", message) from None


def _item(budget: Budget) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(budget.limit, budget.window_seconds)


def _spending(budget: Budget, is_allowed: bool, remaining: int, reset_time: float) -> Spending:  # noqa: FBT001 - the library's answer
    reset_seconds = max(1, math.ceil(reset_time - time.time()))
    return Spending(
        budget, is_allowed, max(0, remaining), min(reset_seconds, budget.window_seconds)
    )
