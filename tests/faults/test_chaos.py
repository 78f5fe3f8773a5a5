"""Seeded histories of chain, node and orders: the ledger always equals a recompute from genesis."""

from typing import Any

import pytest
from chaos_run import run_history

from ledger.store.pool import Connection

_SEEDS = 300
_SEEDS_A_TEST = 20


def _batches() -> list[Any]:
    """The first seed of each test; what the first has covered is not measured again."""
    first, *others = range(1, _SEEDS + 1, _SEEDS_A_TEST)
    return [first, *(pytest.param(other, marks=pytest.mark.no_cover) for other in others)]


@pytest.mark.parametrize("first", _batches())
async def test_a_random_history_ends_as_a_naive_recompute_says(
    witnessed_ledger: Connection, first: int
) -> None:
    for seed in range(first, first + _SEEDS_A_TEST):
        report = await run_history(witnessed_ledger, seed)
        assert not report.differences, f"replay it: make chaos RUNS=1 SEED={seed}"


async def test_a_seed_lives_the_same_history_again(witnessed_ledger: Connection) -> None:
    for seed in (7, 8):
        first, second = [await run_history(witnessed_ledger, seed) for _ in range(2)]
        assert first.trace == second.trace
        assert first.injected == second.injected
