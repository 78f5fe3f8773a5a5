"""The order in which several processes run the tests: what takes long is not begun last.

`--dist worksteal` gives each process a run of as many tests, and who is done early takes the last
ones of another. So each run ends with what is quick. Every other process begins with its share of
the long modules, the rest come to theirs later: these start whole stacks, and all at once they
would only wait for each other.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import pytest

SECONDS_OF_LONG_MODULES = {
    "test_demo": 95,
    "test_oracle_schemathesis": 77,
    "test_till_trouble": 71,
    "test_devnet_background": 68,
    "test_chaos": 64,
    "test_story": 59,
    "test_till_signin": 50,
    "test_crash_kill": 47,
    "test_economy_invariants": 41,
    "test_till": 40,
    "test_indexer_commands": 40,
    "test_access_sign_in": 35,
    "test_payment_failures": 34,
    "test_standby": 31,
    "test_webhook_deliveries": 31,
    "test_access_accounts": 30,
    "test_oracle_examples": 28,
    "test_refunds": 27,
    "test_contracts_artifacts": 26,
    "test_history_audit": 26,
    "test_history_backfill": 24,
    "test_crash_stall": 20,
    "test_jobs": 20,
    "test_crash_postgres": 17,
    "test_history_payment_proofs": 17,
    "test_devnet_compose": 14,
    "test_webhook_kill": 14,
}
"""About; only which module takes longer than another matters."""

SECONDS_OF_A_TEST = {"acceptance": 3.0, "faults": 0.7, "integration": 0.4}
"""In other modules of these folders. All else is quick."""


def _seconds(module: Sequence[pytest.Item]) -> float:
    path = module[0].path
    long = SECONDS_OF_LONG_MODULES.get(path.stem)
    return long or len(module) * SECONDS_OF_A_TEST.get(path.parent.name, 0.0)


def _is_long(item: pytest.Item) -> bool:
    return item.path.stem in SECONDS_OF_LONG_MODULES


def _sizes(count: int, processes: int) -> Iterator[int]:
    """How many of the tests each process gets at first."""
    for left in range(processes, 0, -1):
        size = count // left
        yield size
        count -= size


def dealt(items: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """The tests in the order for so many processes; a module's stay together where they can."""
    modules = [list(module) for _, module in groupby(items, key=lambda item: item.path)]
    modules.sort(key=_seconds, reverse=True)  # which keeps the order of those that are alike
    hands: list[list[pytest.Item]] = [[] for _ in range(processes)]
    seconds = [0.0] * processes
    quick: list[pytest.Item] = []
    for module in modules:
        if _seconds(module):
            least = seconds.index(min(seconds))
            hands[least] += module
            seconds[least] += _seconds(module)
        else:
            quick += module
    order: list[pytest.Item] = []
    for place, (hand, size) in enumerate(zip(hands, _sizes(len(items), processes), strict=True)):
        if place % 2:
            hand.sort(key=_is_long)
        missing = max(0, size - len(hand))
        order += hand + quick[:missing]
        quick = quick[missing:]
    return order + quick
