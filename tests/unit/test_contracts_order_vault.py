"""Order vaults: whatever arrives at an order address reaches its treasury, and nothing else can."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boa
import pytest
from eth.exceptions import Revert

from contracts import order_vault, order_vault_factory, rehearsal
from ledger.order_address import order_key

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

ZERO = "0x" + "00" * 20
KEY = order_key("ord_1")

CLONER = """
interface Vault:
    def forward(token: address, treasury: address, amount: uint256): nonpayable

@external
def clone(implementation: address) -> address:
    return create_minimal_proxy_to(implementation)

@external
def drain(vault: address, token: address, to: address):
    extcall Vault(vault).forward(token, to, 5)
"""


@dataclass(frozen=True)
class Cafeteria:
    bill: Any
    factory: Any
    treasury: str
    stranger: str

    def address(self, key: bytes = KEY) -> str:
        return str(self.factory.vault_address(self.treasury, key))

    def pay(self, units: int, key: bytes = KEY) -> None:
        self.bill.mint(self.address(key), units)

    def sweep(self, *keys: bytes) -> int:
        swept: int = self.factory.sweep(
            self.bill.address, self.treasury, list(keys or (KEY,)), sender=self.stranger
        )
        return swept

    def treasury_units(self) -> int:
        units: int = self.bill.balanceOf(self.treasury)
        return units

    def vault(self, key: bytes = KEY) -> Any:
        return rehearsal.bind(order_vault.artifact(), bytes.fromhex(self.address(key)[2:]))


@pytest.fixture
def cafeteria() -> Iterator[Cafeteria]:
    with rehearsal.fresh_state():
        yield Cafeteria(
            bill=rehearsal.deploy_billcoin(),
            factory=rehearsal.deploy_order_vault_factory(),
            treasury=str(boa.env.generate_address("treasury")),
            stranger=str(boa.env.generate_address("stranger")),
        )


def deployed(address: str) -> bool:
    return rehearsal.code_at(bytes.fromhex(address[2:])) != b""


def swept_events(factory: Any) -> list[Any]:
    return [event for event in factory.get_logs() if type(event).__name__ == "Swept"]


def test_an_order_address_can_be_paid_before_it_has_code(cafeteria: Cafeteria) -> None:
    cafeteria.pay(5)

    assert not deployed(cafeteria.address())
    assert cafeteria.bill.balanceOf(cafeteria.address()) == 5


def test_anyone_can_sweep_and_the_treasury_gets_everything(cafeteria: Cafeteria) -> None:
    cafeteria.pay(5)

    assert cafeteria.sweep() == 5
    (event,) = swept_events(cafeteria.factory)
    assert (event.token, event.treasury) == (cafeteria.bill.address, cafeteria.treasury)
    assert (event.order_key, event.vault, event.amount) == (KEY, cafeteria.address(), 5)
    assert cafeteria.treasury_units() == 5
    assert deployed(cafeteria.address())


def test_a_vault_is_the_minimal_proxy_of_eip_1167(cafeteria: Cafeteria) -> None:
    cafeteria.pay(1)
    cafeteria.sweep()

    code = rehearsal.code_at(bytes.fromhex(cafeteria.address()[2:]))
    implementation = bytes.fromhex(cafeteria.factory.implementation()[2:])
    assert code == (
        bytes.fromhex("363d3d373d3d3d363d73")
        + implementation
        + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
    )


def test_a_later_payment_to_a_swept_order_can_be_swept_again(cafeteria: Cafeteria) -> None:
    cafeteria.pay(5)
    cafeteria.sweep()
    cafeteria.pay(2)

    assert cafeteria.sweep() == 2
    assert cafeteria.treasury_units() == 7


def test_an_empty_vault_is_passed_over_and_not_deployed(cafeteria: Cafeteria) -> None:
    assert cafeteria.sweep() == 0
    assert swept_events(cafeteria.factory) == []
    assert not deployed(cafeteria.address())


def test_an_order_named_twice_counts_once(cafeteria: Cafeteria) -> None:
    cafeteria.pay(5)

    assert cafeteria.sweep(KEY, KEY) == 5
    assert len(swept_events(cafeteria.factory)) == 1


def test_a_sweep_of_no_orders_does_nothing(cafeteria: Cafeteria) -> None:
    assert cafeteria.factory.sweep(cafeteria.bill.address, cafeteria.treasury, []) == 0


def test_a_hundred_vaults_are_swept_in_one_transaction(cafeteria: Cafeteria) -> None:
    keys = [order_key(f"ord_{number}") for number in range(100)]
    for units, key in enumerate(keys, start=1):
        cafeteria.pay(units, key)

    assert cafeteria.sweep(*keys) == cafeteria.treasury_units() == 5050
    assert len(swept_events(cafeteria.factory)) == 100


def test_more_orders_than_the_limit_are_refused(cafeteria: Cafeteria) -> None:
    keys = [KEY] * (order_vault_factory.MAX_ORDERS_PER_SWEEP + 1)

    with boa.reverts():
        cafeteria.sweep(*keys)


def test_a_thief_who_names_another_treasury_finds_another_empty_vault(
    cafeteria: Cafeteria,
) -> None:
    cafeteria.pay(5)
    thief = cafeteria.stranger

    swept = cafeteria.factory.sweep(cafeteria.bill.address, thief, [KEY], sender=thief)
    assert swept == 0
    assert cafeteria.factory.vault_address(thief, KEY) != cafeteria.address()
    assert cafeteria.bill.balanceOf(cafeteria.address()) == 5


def test_the_zero_address_is_no_treasury(cafeteria: Cafeteria) -> None:
    with boa.reverts("order_vault_factory: treasury is the zero address"):
        cafeteria.factory.sweep(cafeteria.bill.address, ZERO, [KEY])


def test_a_stranger_cannot_make_a_deployed_vault_forward(cafeteria: Cafeteria) -> None:
    cafeteria.pay(5)
    cafeteria.sweep()
    cafeteria.pay(2)
    thief = cafeteria.stranger

    with boa.reverts("order_vault: caller is not the factory"):
        cafeteria.vault().forward(cafeteria.bill.address, thief, 2, sender=thief)


def test_not_even_the_treasury_can_make_a_vault_forward_directly(cafeteria: Cafeteria) -> None:
    cafeteria.pay(5)
    cafeteria.sweep()

    with boa.reverts("order_vault: caller is not the factory"):
        cafeteria.vault().forward(
            cafeteria.bill.address, cafeteria.treasury, 0, sender=cafeteria.treasury
        )


def test_a_stranger_cannot_use_the_implementation(cafeteria: Cafeteria) -> None:
    implementation = rehearsal.bind(
        order_vault.artifact(), bytes.fromhex(cafeteria.factory.implementation()[2:])
    )
    cafeteria.bill.mint(implementation.address, 5)

    with boa.reverts("order_vault: caller is not the factory"):
        implementation.forward(
            cafeteria.bill.address, cafeteria.stranger, 5, sender=cafeteria.stranger
        )
    assert implementation.FACTORY() == cafeteria.factory.address


def test_a_proxy_that_a_stranger_points_at_the_implementation_does_not_obey_the_stranger(
    cafeteria: Cafeteria,
) -> None:
    cloner = boa.loads(CLONER)
    clone = cloner.clone(cafeteria.factory.implementation())
    cafeteria.bill.mint(clone, 5)

    with boa.reverts("order_vault: caller is not the factory"):
        cloner.drain(clone, cafeteria.bill.address, cafeteria.stranger)


def test_another_factory_gives_the_same_order_another_address(cafeteria: Cafeteria) -> None:
    other = rehearsal.deploy_order_vault_factory()

    assert other.vault_address(cafeteria.treasury, KEY) != cafeteria.address()
    assert other.implementation() != cafeteria.factory.implementation()


def test_neither_contract_can_destroy_itself_or_run_foreign_code() -> None:
    callcode, delegatecall, selfdestruct = 0xF2, 0xF4, 0xFF
    for artifact in (order_vault.artifact(), order_vault_factory.artifact()):
        assert not opcodes(artifact.runtime) & {callcode, delegatecall, selfdestruct}


def opcodes(code: bytes) -> set[int]:
    found, position = set(), 0
    while position < len(code):
        op = code[position]
        found.add(op)
        position += 1 + (op - 0x5F if 0x60 <= op <= 0x7F else 0)
    return found


def test_neither_contract_has_storage_an_owner_or_an_initialiser() -> None:
    functions = {
        entry["name"]
        for artifact in (order_vault.artifact(), order_vault_factory.artifact())
        for entry in artifact.abi
        if entry["type"] == "function"
    }
    writes_storage = 0x55
    assert functions == {
        *("forward", "FACTORY"),
        *("sweep", "vault_address", "implementation", "MAX_ORDERS"),
    }
    assert writes_storage not in opcodes(order_vault.artifact().runtime)
    assert writes_storage not in opcodes(order_vault_factory.artifact().runtime)


def test_native_coin_sent_by_mistake_before_deployment_reaches_the_treasury(
    cafeteria: Cafeteria,
) -> None:
    boa.env.set_balance(cafeteria.address(), 9)

    assert cafeteria.factory.sweep(ZERO, cafeteria.treasury, [KEY]) == 9
    assert boa.env.get_balance(cafeteria.treasury) == 9


def test_a_deployed_vault_refuses_native_coin(cafeteria: Cafeteria) -> None:
    cafeteria.pay(1)
    cafeteria.sweep()
    boa.env.set_balance(cafeteria.stranger, 1)

    with pytest.raises(Revert):
        boa.env.raw_call(cafeteria.address(), sender=cafeteria.stranger, value=1)
