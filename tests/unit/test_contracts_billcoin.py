"""BillCoin as an ERC-20: who may mint, who may move, and what nobody may do."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from eth.exceptions import Revert

from contracts import billcoin, rehearsal
from ledger.units import UINT256_MAX

ZERO = "0x" + "00" * 20


@pytest.fixture
def bill() -> Iterator[Any]:
    with rehearsal.fresh_state():
        yield rehearsal.deploy_billcoin()


@pytest.fixture
def owner() -> str:
    return str(boa.env.eoa)


@pytest.fixture
def alice() -> str:
    return str(boa.env.generate_address("alice"))


@pytest.fixture
def bob() -> str:
    return str(boa.env.generate_address("bob"))


def grant(bill: Any, minter: str, **call: str) -> None:
    can_mint = True
    bill.set_minter(minter, can_mint, **call)


def revoke(bill: Any, minter: str) -> None:
    can_mint = False
    bill.set_minter(minter, can_mint)


def test_it_is_called_billcoin_and_divides_into_ten_to_the_eighteen(bill: Any) -> None:
    assert bill.name() == billcoin.NAME == "BillCoin"
    assert bill.symbol() == billcoin.SYMBOL == "BILL"
    assert bill.decimals() == 18
    assert bill.totalSupply() == 0


def test_its_signing_domain_is_readable_on_chain(bill: Any) -> None:
    _, name, version, chain_id, contract, salt, extensions = bill.eip712Domain()

    assert (name, version) == (billcoin.DOMAIN_NAME, billcoin.DOMAIN_VERSION)
    assert (chain_id, contract) == (boa.env.evm.patch.chain_id, bill.address)
    assert (salt, extensions) == (bytes(32), [])


def test_the_deployer_is_owner_and_first_minter(bill: Any, owner: str) -> None:
    assert bill.owner() == owner
    assert bill.is_minter(owner)


def test_minting_credits_the_payee_and_logs_a_transfer_from_zero(bill: Any, alice: str) -> None:
    bill.mint(alice, 7)

    (event,) = bill.get_logs()
    assert (event.sender, event.receiver, event.value) == (ZERO, alice, 7)
    assert (bill.balanceOf(alice), bill.totalSupply()) == (7, 7)


def test_a_stranger_cannot_mint(bill: Any, alice: str) -> None:
    with boa.reverts("erc20: access is denied"):
        bill.mint(alice, 1, sender=alice)


def test_nobody_can_mint_to_the_zero_address(bill: Any) -> None:
    with boa.reverts("erc20: mint to the zero address"):
        bill.mint(ZERO, 1)


def test_supply_cannot_overflow(bill: Any, alice: str) -> None:
    bill.mint(alice, UINT256_MAX)

    with boa.reverts():
        bill.mint(alice, 1)
    assert bill.balanceOf(alice) == bill.totalSupply() == UINT256_MAX


def test_the_owner_can_leave_another_minter_alone_with_the_role(
    bill: Any, owner: str, alice: str
) -> None:
    grant(bill, alice)
    revoke(bill, owner)

    with boa.reverts("erc20: access is denied"):
        bill.mint(owner, 1, sender=owner)
    bill.mint(owner, 1, sender=alice)


def test_a_minter_cannot_appoint_minters(bill: Any, alice: str, bob: str) -> None:
    grant(bill, alice)

    with boa.reverts("ownable: caller is not the owner"):
        grant(bill, bob, sender=alice)


def test_the_zero_address_cannot_be_a_minter(bill: Any) -> None:
    with boa.reverts("billcoin: minter is the zero address"):
        grant(bill, ZERO)


def test_a_minter_who_lost_the_role_cannot_mint(bill: Any, alice: str) -> None:
    grant(bill, alice)
    revoke(bill, alice)

    with boa.reverts("erc20: access is denied"):
        bill.mint(alice, 1, sender=alice)


def test_ownership_moves_only_when_the_new_owner_accepts(
    bill: Any, owner: str, alice: str, bob: str
) -> None:
    bill.transfer_ownership(alice)

    assert (bill.owner(), bill.pending_owner()) == (owner, alice)
    with boa.reverts("ownable_2step: caller is not the new owner"):
        bill.accept_ownership(sender=bob)
    bill.accept_ownership(sender=alice)
    assert (bill.owner(), bill.pending_owner()) == (alice, ZERO)


def test_a_new_owner_does_not_become_a_minter_by_it(bill: Any, alice: str) -> None:
    bill.transfer_ownership(alice)
    bill.accept_ownership(sender=alice)

    assert not bill.is_minter(alice)


def test_a_stranger_cannot_start_or_end_ownership(bill: Any, alice: str) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        bill.transfer_ownership(alice, sender=alice)
    with boa.reverts("ownable: caller is not the owner"):
        bill.renounce_ownership(sender=alice)


def test_after_the_owner_renounces_the_minters_are_fixed(bill: Any, owner: str, alice: str) -> None:
    bill.renounce_ownership()

    assert bill.owner() == ZERO
    with boa.reverts("ownable: caller is not the owner"):
        grant(bill, alice)
    bill.mint(alice, 1, sender=owner)


def test_owner_and_minter_cannot_move_or_burn_what_others_hold(
    bill: Any, owner: str, alice: str
) -> None:
    bill.mint(alice, 5)

    with boa.reverts("erc20: insufficient allowance"):
        bill.transferFrom(alice, owner, 1, sender=owner)
    with boa.reverts("erc20: insufficient allowance"):
        bill.burn_from(alice, 1, sender=owner)


def test_the_functions_that_change_state_are_these_and_no_others() -> None:
    changing = {
        entry["name"]
        for entry in billcoin.artifact().abi
        if entry["type"] == "function" and entry["stateMutability"] not in {"view", "pure"}
    }

    assert changing == {
        *("transfer", "approve", "transferFrom", "burn", "burn_from", "permit"),
        *("transferWithAuthorization", "receiveWithAuthorization", "cancelAuthorization"),
        *("mint", "set_minter"),
        *("transfer_ownership", "accept_ownership", "renounce_ownership"),
    }


def test_a_transfer_moves_the_amount_and_logs_it(bill: Any, alice: str, bob: str) -> None:
    bill.mint(alice, 5)

    assert bill.transfer(bob, 3, sender=alice) is True
    (event,) = bill.get_logs()
    assert (event.sender, event.receiver, event.value) == (alice, bob, 3)
    assert (bill.balanceOf(alice), bill.balanceOf(bob)) == (2, 3)


def test_a_holder_cannot_spend_more_than_the_balance(bill: Any, alice: str, bob: str) -> None:
    bill.mint(alice, 5)

    with boa.reverts("erc20: transfer amount exceeds balance"):
        bill.transfer(bob, 6, sender=alice)


def test_a_transfer_to_oneself_changes_nothing(bill: Any, alice: str) -> None:
    bill.mint(alice, 5)
    bill.transfer(alice, 5, sender=alice)

    assert (bill.balanceOf(alice), bill.totalSupply()) == (5, 5)


def test_a_transfer_of_nothing_succeeds_and_is_logged(bill: Any, alice: str, bob: str) -> None:
    bill.transfer(bob, 0, sender=alice)

    (event,) = bill.get_logs()
    assert event.value == 0


def test_nothing_can_be_sent_to_the_zero_address(bill: Any, alice: str) -> None:
    bill.mint(alice, 1)

    with boa.reverts("erc20: transfer to the zero address"):
        bill.transfer(ZERO, 1, sender=alice)


def test_an_allowance_is_used_up_by_spending(bill: Any, alice: str, bob: str) -> None:
    bill.mint(alice, 5)
    bill.approve(bob, 3, sender=alice)
    bill.transferFrom(alice, bob, 2, sender=bob)

    assert bill.allowance(alice, bob) == 1
    with boa.reverts("erc20: insufficient allowance"):
        bill.transferFrom(alice, bob, 2, sender=bob)


def test_a_holder_can_burn_which_lowers_the_supply(bill: Any, alice: str) -> None:
    bill.mint(alice, 5)
    bill.burn(2, sender=alice)

    assert (bill.balanceOf(alice), bill.totalSupply()) == (3, 3)
    with boa.reverts("erc20: burn amount exceeds balance"):
        bill.burn(4, sender=alice)


def test_the_token_refuses_native_coin(bill: Any, alice: str) -> None:
    boa.env.set_balance(alice, 1)

    with pytest.raises(Revert):
        boa.env.raw_call(bill.address, sender=alice, value=1)
