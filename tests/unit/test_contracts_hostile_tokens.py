"""Sweeping tokens that misbehave: the factory neither lies about them nor lets them at the BILL."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from contracts import rehearsal
from ledger.order_address import order_key

KEY = order_key("ord_1")

REFUSES = """
@external
@view
def balanceOf(holder: address) -> uint256:
    return 5

@external
def transfer(to: address, amount: uint256) -> bool:
    return False
"""

SAYS_NOTHING = """
balanceOf: public(HashMap[address, uint256])

@external
def give(holder: address, amount: uint256):
    self.balanceOf[holder] += amount

@external
def transfer(to: address, amount: uint256):
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
"""

ANSWERS_GARBAGE = """
@external
@view
def balanceOf(holder: address) -> uint256:
    return 5

@external
def transfer(to: address, amount: uint256) -> uint256:
    return 2
"""

BOASTS = """
@external
@view
def balanceOf(holder: address) -> uint256:
    return max_value(uint256)

@external
def transfer(to: address, amount: uint256) -> bool:
    return True
"""

# While it is being swept, it sweeps the BILL of the same order, itself once more, and tries to be
# the caller that a vault obeys.
RE_ENTERS = """
interface Factory:
    def sweep(
        token: address, treasury: address, keys: DynArray[bytes32, 256]
    ) -> uint256: nonpayable

FACTORY: immutable(address)
BILL: immutable(address)
TREASURY: immutable(address)
KEY: immutable(bytes32)
depth: uint256
obeyed: public(bool)

@deploy
def __init__(factory: address, bill: address, treasury: address, key: bytes32):
    FACTORY = factory
    BILL = bill
    TREASURY = treasury
    KEY = key

@external
@view
def balanceOf(holder: address) -> uint256:
    return 5

@external
def transfer(to: address, amount: uint256) -> bool:
    success: bool = raw_call(
        msg.sender,
        abi_encode(
            BILL,
            self,
            convert(1, uint256),
            method_id=method_id("forward(address,address,uint256)"),
        ),
        revert_on_failure=False,
    )
    self.obeyed = success
    self.depth += 1
    if self.depth == 1:
        swept: uint256 = extcall Factory(FACTORY).sweep(BILL, TREASURY, [KEY])
        swept = extcall Factory(FACTORY).sweep(self, TREASURY, [KEY])
    return True
"""


@dataclass(frozen=True)
class Stage:
    bill: Any
    factory: Any
    treasury: str

    def vault(self) -> str:
        return str(self.factory.vault_address(self.treasury, KEY))

    def sweep(self, token: Any) -> int:
        swept: int = self.factory.sweep(token, self.treasury, [KEY])
        return swept


@pytest.fixture
def stage() -> Iterator[Stage]:
    with rehearsal.fresh_state():
        yield Stage(
            bill=rehearsal.deploy_billcoin(),
            factory=rehearsal.deploy_order_vault_factory(),
            treasury=str(boa.env.generate_address("treasury")),
        )


def test_a_token_that_answers_false_reverts_the_sweep(stage: Stage) -> None:
    with boa.reverts("order_vault: token refused the transfer"):
        stage.sweep(boa.loads(REFUSES))
    assert rehearsal.code_at(bytes.fromhex(stage.vault()[2:])) == b""


def test_a_token_that_answers_nothing_is_swept(stage: Stage) -> None:
    token = boa.loads(SAYS_NOTHING)
    token.give(stage.vault(), 5)

    assert stage.sweep(token) == token.balanceOf(stage.treasury) == 5


def test_a_token_that_answers_no_boolean_reverts_the_sweep(stage: Stage) -> None:
    with boa.reverts():
        stage.sweep(boa.loads(ANSWERS_GARBAGE))


def test_an_address_without_code_is_no_token(stage: Stage) -> None:
    with boa.reverts():
        stage.sweep(boa.env.generate_address())


def test_sums_beyond_a_uint256_revert_the_sweep(stage: Stage) -> None:
    keys = [order_key("ord_1"), order_key("ord_2")]

    with boa.reverts():
        stage.factory.sweep(boa.loads(BOASTS), stage.treasury, keys)


def test_a_token_that_re_enters_gets_no_bill_and_only_hurries_the_sweep(stage: Stage) -> None:
    stage.bill.mint(stage.vault(), 7)
    token = boa.loads(RE_ENTERS, stage.factory.address, stage.bill.address, stage.treasury, KEY)

    stage.sweep(token)

    assert token.obeyed() is False
    assert stage.bill.balanceOf(token.address) == 0
    assert stage.bill.balanceOf(stage.treasury) == 7
    assert stage.bill.balanceOf(stage.vault()) == 0
