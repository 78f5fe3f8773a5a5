"""Lets a request go on as long as its caller's budget lasts."""

from oracle_api.access.principal import ANONYMOUS, Principal
from oracle_api.budgets.policy import Budget, BudgetPolicy, spender_of
from oracle_api.budgets.spending import Spender
from oracle_api.problems import Headers, OverBudgetError


class Allowance:
    """One per process."""

    def __init__(self, policy: BudgetPolicy, spender: Spender) -> None:
        self._policy = policy
        self._spender = spender

    async def spend(self, principal: Principal, method: str, path: str) -> Headers:
        """Spend one request; what is left, as headers.

        Raises:
            OverBudgetError: nothing is left.
        """
        budget = self._policy.budget_of(principal, method, path)
        return () if budget is None else await self._spend(budget, spender_of(principal))

    async def spend_denied(self, client_address: str) -> None:
        """Spend a request with bad credentials, so that nobody tries them without end.

        Raises:
            OverBudgetError: nothing is left.
        """
        whose = spender_of(ANONYMOUS.at(client_address))
        await self._spend(self._policy.of_denied, f"denied {whose}")

    async def _spend(self, budget: Budget, whose: str) -> Headers:
        spending = await self._spender.spend(budget, whose)
        if spending.is_allowed:
            return spending.headers
        raise OverBudgetError(
            f"only {budget.limit} {budget.name} within {budget.window_seconds} s",
            retry_after_seconds=spending.reset_seconds,
            headers=spending.headers,
        )
