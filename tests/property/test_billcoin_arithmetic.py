"""Balances, allowances and supply follow a model of plain integers, refusals included."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts import rehearsal
from ledger.units import UINT256_MAX

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

HOLDERS = [f"0x{byte:02x}" + "00" * 18 + "01" for byte in (0xA1, 0xB2, 0xC3)]
holders = st.sampled_from(HOLDERS)
amounts = st.one_of(
    st.integers(min_value=0, max_value=10),
    st.integers(min_value=0, max_value=UINT256_MAX),
    st.integers(min_value=UINT256_MAX - 3, max_value=UINT256_MAX),
)


class BillCoin(RuleBasedStateMachine):
    """Minters, holders and spenders: each call succeeds exactly when the model allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.undo = ExitStack()
        self.balances: Counter[str] = Counter()
        self.allowances: Counter[tuple[str, str]] = Counter()
        self.supply = 0

    @initialize()
    def issue(self) -> None:
        self.undo.enter_context(rehearsal.fresh_state())
        self.bill: Any = rehearsal.deploy_billcoin()

    def teardown(self) -> None:
        self.undo.close()

    def attempt(self, call: Callable[[], Any], *, allowed: bool) -> None:
        if allowed:
            call()
        else:
            with boa.reverts():
                call()

    def move(self, owner: str, to: str, units: int) -> None:
        self.balances[owner] -= units
        self.balances[to] += units

    def spend(self, owner: str, spender: str, units: int) -> None:
        if self.allowances[owner, spender] != UINT256_MAX:
            self.allowances[owner, spender] -= units

    @rule(to=holders, units=amounts)
    def mint(self, to: str, units: int) -> None:
        allowed = self.supply + units <= UINT256_MAX
        self.attempt(lambda: self.bill.mint(to, units), allowed=allowed)
        if allowed:
            self.supply += units
            self.balances[to] += units

    @rule(owner=holders, to=holders, units=amounts)
    def transfer(self, owner: str, to: str, units: int) -> None:
        allowed = self.balances[owner] >= units
        self.attempt(lambda: self.bill.transfer(to, units, sender=owner), allowed=allowed)
        if allowed:
            self.move(owner, to, units)

    @rule(owner=holders, to=holders, numerator=st.integers(min_value=0, max_value=4))
    def transfer_a_part(self, owner: str, to: str, numerator: int) -> None:
        units = self.balances[owner] * numerator // 4
        self.bill.transfer(to, units, sender=owner)
        self.move(owner, to, units)

    @rule(owner=holders, spender=holders, units=amounts)
    def approve(self, owner: str, spender: str, units: int) -> None:
        self.bill.approve(spender, units, sender=owner)
        self.allowances[owner, spender] = units

    @rule(owner=holders, spender=holders, to=holders, units=amounts)
    def transfer_from(self, owner: str, spender: str, to: str, units: int) -> None:
        allowed = min(self.allowances[owner, spender], self.balances[owner]) >= units
        self.attempt(
            lambda: self.bill.transferFrom(owner, to, units, sender=spender), allowed=allowed
        )
        if allowed:
            self.spend(owner, spender, units)
            self.move(owner, to, units)

    @rule(owner=holders, units=amounts)
    def burn(self, owner: str, units: int) -> None:
        allowed = self.balances[owner] >= units
        self.attempt(lambda: self.bill.burn(units, sender=owner), allowed=allowed)
        if allowed:
            self.balances[owner] -= units
            self.supply -= units

    @rule(owner=holders, spender=holders, units=amounts)
    def burn_from(self, owner: str, spender: str, units: int) -> None:
        allowed = min(self.allowances[owner, spender], self.balances[owner]) >= units
        self.attempt(lambda: self.bill.burn_from(owner, units, sender=spender), allowed=allowed)
        if allowed:
            self.spend(owner, spender, units)
            self.balances[owner] -= units
            self.supply -= units

    @invariant()
    def the_balances_are_the_models_and_add_up_to_the_supply(self) -> None:
        balances = [self.bill.balanceOf(holder) for holder in HOLDERS]

        assert balances == [self.balances[holder] for holder in HOLDERS]
        assert sum(balances) == self.bill.totalSupply() == self.supply

    @invariant()
    def the_allowances_are_the_models(self) -> None:
        for owner in HOLDERS:
            for spender in HOLDERS:
                assert self.bill.allowance(owner, spender) == self.allowances[owner, spender]


BillCoin.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
test_the_token_follows_the_model = BillCoin.TestCase
