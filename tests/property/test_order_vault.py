"""Whatever is paid and swept in whatever order, no BILL is lost and only its treasury gains."""

from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts import rehearsal
from ledger.order_address import implementation_address, order_address, order_key

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

ORDERS = [order_key(f"ord_{number}") for number in range(4)]
TREASURIES = [b"\x71" * 20, b"\x72" * 20]
STRANGER = b"\x55" * 20

orders = st.sampled_from(ORDERS)
treasuries = st.sampled_from(TREASURIES)
amounts = st.integers(min_value=0, max_value=2**240)


def text(address: bytes) -> str:
    return f"0x{address.hex()}"


class OrderVaults(RuleBasedStateMachine):
    """Payers, sweepers and a thief against a model of who must hold what."""

    def __init__(self) -> None:
        super().__init__()
        self.undo = ExitStack()
        self.vaults: Counter[tuple[bytes, bytes]] = Counter()
        self.banked: Counter[bytes] = Counter()
        self.ever_swept: set[tuple[bytes, bytes]] = set()

    @initialize()
    def open_shop(self) -> None:
        self.undo.enter_context(rehearsal.fresh_state())
        self.bill: Any = rehearsal.deploy_billcoin()
        self.factory: Any = rehearsal.deploy_order_vault_factory()

    def teardown(self) -> None:
        self.undo.close()

    def address(self, treasury: bytes, order: bytes) -> bytes:
        factory = rehearsal.contract_address(self.factory)
        return order_address(
            factory=factory,
            implementation=implementation_address(factory=factory),
            treasury=treasury,
            order_key=order,
        )

    @rule(treasury=treasuries, order=orders, units=amounts)
    def pay(self, treasury: bytes, order: bytes, units: int) -> None:
        self.bill.mint(text(self.address(treasury, order)), units)
        self.vaults[treasury, order] += units

    @rule(treasury=treasuries, swept=st.lists(orders, max_size=6))
    def sweep(self, treasury: bytes, swept: list[bytes]) -> None:
        held = {(treasury, order): self.vaults[treasury, order] for order in swept}

        total = self.factory.sweep(self.bill.address, text(treasury), swept, sender=text(STRANGER))

        assert total == sum(held.values())
        self.banked[treasury] += total
        self.vaults.update({vault: -units for vault, units in held.items()})
        self.ever_swept |= {vault for vault, units in held.items() if units}

    @rule(swept=st.lists(orders, max_size=6))
    def steal(self, swept: list[bytes]) -> None:
        thief = text(STRANGER)
        assert self.factory.sweep(self.bill.address, thief, swept, sender=thief) == 0

    @invariant()
    def every_unit_is_where_the_model_says(self) -> None:
        for treasury in TREASURIES:
            assert self.bill.balanceOf(text(treasury)) == self.banked[treasury]
            for order in ORDERS:
                vault = self.address(treasury, order)
                assert self.bill.balanceOf(text(vault)) == self.vaults[treasury, order]
                assert bool(rehearsal.code_at(vault)) == ((treasury, order) in self.ever_swept)
        assert self.bill.balanceOf(text(STRANGER)) == 0


OrderVaults.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
test_no_bill_is_lost_and_only_its_treasury_gains = OrderVaults.TestCase
