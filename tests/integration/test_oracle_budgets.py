"""Budgets are exact, apart from each other, shared by replicas, and outlive Redis."""

import asyncio
from types import SimpleNamespace

import pytest
from access_support import PASSWORD, guarded_oracle
from limits.storage import memory
from oracle_support import Ledger

from devnet.ports import free_port
from oracle_api.access.attempts import BY_ADDRESS, BY_NAME, BY_NAME_ANYWHERE, Attempts
from oracle_api.access.office import Office
from oracle_api.access.principal import ANONYMOUS, OPEN, Principal, Role
from oracle_api.budgets import spending
from oracle_api.budgets.policy import Budget, BudgetPolicy, spender_of
from oracle_api.budgets.settings import BudgetSettings
from oracle_api.budgets.spending import MemorySpender, RedisSpender, Spender
from oracle_api.problems import ThrottledError

TEN = Budget("attempts", 10)
MANY = Budget("requests", 100)
VALIDATE = ("POST", "/api/v1/payments/validate")


async def allowed(spender: Spender, budget: Budget, whose: str, times: int) -> int:
    spent = await asyncio.gather(*(spender.spend(budget, whose) for _ in range(times)))
    return sum(one.is_allowed for one in spent)


@pytest.mark.parametrize("budget", [TEN, MANY], ids=["exact", "estimated"])
async def test_a_budget_is_spent_to_its_last_and_no_further(budget: Budget) -> None:
    spender = MemorySpender()
    assert await allowed(spender, budget, "acc_1", budget.limit + 20) == budget.limit
    refused = await spender.spend(budget, "acc_1")
    assert (refused.is_allowed, refused.remaining) == (False, 0)
    assert 1 <= refused.reset_seconds <= 60


async def test_nobody_spends_another_s_budget() -> None:
    spender = MemorySpender()
    assert await allowed(spender, TEN, "acc_1", 50) == 10
    assert await allowed(spender, TEN, "acc_2", 50) == 10
    assert await allowed(spender, MANY, "acc_1", 50) == 50


async def test_the_headers_say_what_is_left() -> None:
    first = await MemorySpender().spend(TEN, "acc_1")
    policy, state = dict(first.headers)[b"ratelimit-policy"], dict(first.headers)[b"ratelimit"]
    assert policy == b'"attempts";q=10;w=60'
    assert state == b'"attempts";r=9;t=%d' % first.reset_seconds


@pytest.mark.parametrize("budget", [TEN, MANY], ids=["exact", "estimated"])
async def test_replicas_share_a_budget(redis_url: str, budget: Budget) -> None:
    replicas = [RedisSpender(redis_url, timeout_seconds=20) for _ in range(3)]
    spent = await asyncio.gather(
        *(allowed(replica, budget, "acc_1", budget.limit) for replica in replicas)
    )
    assert sum(spent) == budget.limit
    for replica in replicas:
        assert not replica.is_alone
        await replica.close()


async def test_without_redis_each_replica_counts_for_itself() -> None:
    spender = RedisSpender(f"redis://127.0.0.1:{free_port()}/0")
    assert await allowed(spender, TEN, "acc_1", 1) == 1
    assert spender.is_alone
    assert await allowed(spender, TEN, "acc_1", 30) == 9
    await spender.close()


STUDENT = Principal("acc_s", frozenset({Role.STUDENT}))
TILL = Principal("acc_t", frozenset({Role.TILL}))
BOTH = Principal("acc_b", frozenset({Role.STUDENT, Role.PARTNER}))


@pytest.mark.parametrize(
    ("principal", "route", "name", "limit"),
    [
        (STUDENT, VALIDATE, "attempts", 10),
        (STUDENT, ("POST", "/api/v1/payments/submit"), "attempts", 10),
        (STUDENT, ("GET", "/api/v1/orders"), "requests", 3000),
        (TILL, VALIDATE, "attempts", 600),
        (BOTH, VALIDATE, "attempts", 6000),
        (ANONYMOUS, VALIDATE, "attempts", 30),
        (ANONYMOUS, ("GET", "/api/v1/catalogue"), "requests", 600),
    ],
)
def test_the_budget_follows_from_caller_and_route(
    principal: Principal, route: tuple[str, str], name: str, limit: int
) -> None:
    assert BudgetPolicy(BudgetSettings()).budget_of(principal, *route) == Budget(name, limit)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_spend_nothing(path: str) -> None:
    assert BudgetPolicy(BudgetSettings()).budget_of(ANONYMOUS, "GET", path) is None


def test_open_access_spends_nothing() -> None:
    assert BudgetPolicy(BudgetSettings()).budget_of(OPEN, *VALIDATE) is None


@pytest.mark.parametrize(
    ("address", "spender"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", "unknown"),
    ],
)
def test_an_anonymous_caller_is_the_network_it_has(address: str, spender: str) -> None:
    assert spender_of(Principal(client_address=address)) == spender
    assert spender_of(Principal("acc_1", client_address=address)) == "acc_1"


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_what_is_given_back_can_be_spent_again(redis_url: str, kind: str) -> None:
    spender = MemorySpender() if kind == "memory" else RedisSpender(redis_url, timeout_seconds=20)
    budget = Budget("sign-ins", 3, is_refundable=True)
    assert await allowed(spender, budget, "1.2.3.4", 3) == 3
    # Those that are refused meanwhile cost nothing.
    for _ in range(4):
        assert await allowed(spender, budget, "1.2.3.4", 1) == 0
    await spender.give_back(budget, "1.2.3.4")
    assert await allowed(spender, budget, "1.2.3.4", 1) == 1
    refused = await spender.spend(budget, "1.2.3.4")
    assert (refused.is_allowed, refused.remaining) == (False, 0)
    for whole in (budget, TEN):
        await allowed(spender, whole, "1.2.3.4", 20)
        await spender.forget(whole, "1.2.3.4")
        assert await allowed(spender, whole, "1.2.3.4", 20) == whole.limit
    await spender.close()


async def test_what_is_given_back_too_late_adds_nothing_to_the_next_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(memory, "time", SimpleNamespace(time=lambda: now))
    spender, budget = MemorySpender(), Budget("sign-ins", 3, is_refundable=True)
    await allowed(spender, budget, "1.2.3.4", 3)
    now += budget.window_seconds + 1
    for _ in range(3):
        await spender.give_back(budget, "1.2.3.4")
    assert await allowed(spender, budget, "1.2.3.4", 9) == 3


REFUNDABLE = Budget("sign-ins", 10, is_refundable=True)


def remembered(spender: MemorySpender) -> int:
    storage = spender._storage
    return len(storage.events.keys() | storage.storage.keys() | storage.expirations.keys())


@pytest.mark.parametrize("budget", [TEN, MANY, REFUNDABLE], ids=["exact", "estimated", "windows"])
async def test_many_callers_fill_no_memory_and_reset_nobody_who_goes_on(
    budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spending, "MAX_REMEMBERED", 50)
    spender = MemorySpender()
    await allowed(spender, budget, "guesser", budget.limit)
    for number in range(1_000):
        await spender.spend(budget, f"2001:db8:0:{number:x}::/64")
        if number % 20 == 0:
            assert not (await spender.spend(budget, "guesser")).is_allowed
    # The estimate counts in two windows where one ends meanwhile.
    assert remembered(spender) <= 2 * 50


async def test_who_spends_no_more_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    clock = SimpleNamespace(time=lambda: now, monotonic=lambda: now)
    monkeypatch.setattr(memory, "time", clock)
    monkeypatch.setattr(spending, "time", clock)
    spender = MemorySpender()
    for number in range(100):
        await spender.spend(BY_NAME, f"name-{number}")
    now += 2 * BY_NAME.window_seconds + 1
    await spender.spend(BY_NAME, "ada")
    assert remembered(spender) == 1


async def test_who_has_a_whole_network_has_one_budget_of_wrong_passwords() -> None:
    attempts = Attempts(Office("the office", None), MemorySpender())
    for number in range(BY_ADDRESS.limit):
        await attempts.take(f"name-{number}", f"2001:db8:0:1::{number:x}")
    with pytest.raises(ThrottledError):
        await attempts.take("ada", "2001:db8:0:1:ffff::1")
    await attempts.take("ada", "2001:db8:0:2::1")
    # The address that signed in rightly is another one of the same network.
    await attempts.give_back("name-0", "2001:db8:0:1:abcd::1")
    await attempts.take("ada", "2001:db8:0:1:ffff::1")


async def test_nobody_is_kept_out_by_who_guesses_at_their_name_from_elsewhere() -> None:
    """Five requests in two and a half minutes kept a till out for as long as somebody liked."""
    attempts = Attempts(Office("the office", None), MemorySpender())
    for _ in range(BY_NAME.limit):
        await attempts.take("till-3", "203.0.113.7")
    for _ in range(3 * BY_NAME_ANYWHERE.limit):
        with pytest.raises(ThrottledError):
            await attempts.take("till-3", "203.0.113.7")
    for _ in range(BY_NAME.limit):
        await attempts.take("till-3", "198.51.100.1")


async def test_many_networks_have_one_budget_for_one_name() -> None:
    attempts = Attempts(Office("the office", None), MemorySpender())
    for number in range(BY_NAME_ANYWHERE.limit):
        await attempts.take("ada", f"2001:db8:0:{number:x}::1")
    with pytest.raises(ThrottledError):
        await attempts.take("ada", "2001:db8:0:ffff::1")
    await attempts.take("eve", "2001:db8:0:ffff::1")
    # The owner signs in somewhere: all budgets are whole again.
    await attempts.give_back("ada", "2001:db8:0:1::1")
    await attempts.take("ada", "2001:db8:0:ffff::1")


async def test_replicas_share_what_wrong_passwords_cost(
    redis_url: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two replicas a guesser has one budget, by name and by address."""
    monkeypatch.setitem(RedisSpender.__init__.__kwdefaults__, "timeout_seconds", 20)
    async with (
        guarded_oracle(ledger, limits_url=redis_url) as one,
        guarded_oracle(ledger, limits_url=redis_url) as other,
    ):
        await one.account("ada", Role.STUDENT)

        async def sign_ins(count: int, name: str, password: str) -> list[int]:
            asked = [
                (one, other)[number % 2].grant(
                    grant_type="password", username=name.format(number), password=password
                )
                for number in range(count)
            ]
            return sorted([(await grant)[0] for grant in asked])

        # Who signs in rightly costs their neighbours at the same address nothing.
        assert await sign_ins(BY_ADDRESS.limit + 2, "ada", PASSWORD) == [200] * 22
        assert await sign_ins(8, "ada", "wrong") == [401] * BY_NAME.limit + [429] * 3
        left = BY_ADDRESS.limit - BY_NAME.limit
        assert await sign_ins(left + 4, "name-{}", "wrong") == [401] * left + [429] * 4
