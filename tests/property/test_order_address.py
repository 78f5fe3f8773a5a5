"""The order address computed here is the one the chain computes, and the one it deploys at."""

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import rehearsal
from ledger.keccak import keccak256
from ledger.order_address import implementation_address, order_address, order_key

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

addresses = st.binary(min_size=20, max_size=20)
treasuries = addresses.filter(lambda address: address != bytes(20))
keys = st.binary(min_size=32, max_size=32)
MANY = 40


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


@settings(max_examples=20, deadline=None)
@given(orders=st.lists(st.tuples(addresses, keys), min_size=1, max_size=MANY))
def test_it_is_what_the_contract_answers(orders: list[tuple[bytes, bytes]]) -> None:
    with rehearsal.fresh_state():
        contract = rehearsal.deploy_order_vault_factory()
        factory = rehearsal.contract_address(contract)
        implementation = raw(contract.implementation())

        for treasury, key in orders:
            assert raw(contract.vault_address(f"0x{treasury.hex()}", key)) == order_address(
                factory=factory, implementation=implementation, treasury=treasury, order_key=key
            )


@settings(max_examples=10, deadline=None)
@given(treasury=treasuries, order_keys=st.lists(keys, min_size=1, max_size=MANY, unique=True))
def test_it_is_where_a_sweep_deploys(treasury: bytes, order_keys: list[bytes]) -> None:
    with rehearsal.fresh_state():
        bill, contract = rehearsal.deploy_billcoin(), rehearsal.deploy_order_vault_factory()
        factory = rehearsal.contract_address(contract)
        vaults = [
            order_address(
                factory=factory,
                implementation=implementation_address(factory=factory),
                treasury=treasury,
                order_key=key,
            )
            for key in order_keys
        ]
        for vault in vaults:
            assert rehearsal.code_at(vault) == b""
            bill.mint(f"0x{vault.hex()}", 1)

        contract.sweep(bill.address, f"0x{treasury.hex()}", order_keys)

        assert all(rehearsal.code_at(vault) != b"" for vault in vaults)
        assert bill.balanceOf(f"0x{treasury.hex()}") == len(order_keys)


@settings(max_examples=20, deadline=None)
@given(deployer=addresses)
def test_the_implementation_is_where_any_deployers_factory_puts_it(deployer: bytes) -> None:
    with rehearsal.fresh_state(), boa.env.prank(f"0x{deployer.hex()}"):
        contract = rehearsal.deploy_order_vault_factory()

        assert raw(contract.implementation()) == implementation_address(
            factory=rehearsal.contract_address(contract)
        )


@given(order_id=st.text())
def test_an_order_key_is_the_hash_of_the_id_in_utf_8(order_id: str) -> None:
    assert order_key(order_id) == keccak256(order_id.encode("utf-8"))


@given(
    factory=addresses,
    implementation=addresses,
    one=st.tuples(addresses, keys),
    other=st.tuples(addresses, keys),
)
def test_another_treasury_or_order_has_another_address(
    factory: bytes, implementation: bytes, one: tuple[bytes, bytes], other: tuple[bytes, bytes]
) -> None:
    first, second = (
        order_address(
            factory=factory, implementation=implementation, treasury=treasury, order_key=key
        )
        for treasury, key in (one, other)
    )

    assert (first == second) == (one == other)


@pytest.mark.parametrize("name", ["factory", "implementation", "treasury", "order_key"])
@given(value=st.binary(max_size=40))
def test_an_argument_of_another_length_is_refused(name: str, value: bytes) -> None:
    arguments = {
        "factory": b"\x01" * 20,
        "implementation": b"\x02" * 20,
        "treasury": b"\x03" * 20,
        "order_key": b"\x04" * 32,
    }
    if len(value) == len(arguments[name]):
        value += b"\x00"

    with pytest.raises(ValueError, match=f"{name} must be"):
        order_address(**(arguments | {name: value}))


@pytest.mark.parametrize("length", [0, 19, 21, 32])
def test_a_factory_of_another_length_has_no_implementation(length: int) -> None:
    with pytest.raises(ValueError, match="factory must be 20 bytes"):
        implementation_address(factory=bytes(length))
