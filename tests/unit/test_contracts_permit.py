"""EIP-2612: an allowance by signature, used once and in order."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts import billcoin, rehearsal
from contracts.rehearsal import Signature, account_address, contract_address, malleated, sign
from ledger.units import UINT256_MAX, Units

ALICE: LocalAccount = Account.from_key(b"\xa1" * 32)
MALLORY: LocalAccount = Account.from_key(b"\xe1" * 32)
SPENDER = b"\x5e" * 20
UNITS = Units(4)


@pytest.fixture
def bill() -> Iterator[Any]:
    with rehearsal.fresh_state():
        token = rehearsal.deploy_billcoin()
        token.mint(ALICE.address, 10)
        yield token


def signed(
    bill: Any,
    *,
    units: Units = UNITS,
    nonce: int = 0,
    deadline_seconds: int = UINT256_MAX,
    signer: LocalAccount = ALICE,
) -> Signature:
    message = billcoin.permit_typed_data(
        owner=account_address(ALICE),
        spender=SPENDER,
        units=units,
        nonce=nonce,
        deadline_seconds=deadline_seconds,
        chain_id=boa.env.evm.patch.chain_id,
        token=contract_address(bill),
    )
    return sign(signer, message)


def permit(bill: Any, signature: Signature, *, deadline_seconds: int = UINT256_MAX) -> None:
    bill.permit(ALICE.address, f"0x{SPENDER.hex()}", UNITS, deadline_seconds, *signature)


def test_a_permit_sets_the_allowance_and_the_spender_can_use_it(bill: Any) -> None:
    permit(bill, signed(bill))
    spender = f"0x{SPENDER.hex()}"
    bill.transferFrom(ALICE.address, spender, UNITS, sender=spender)

    assert (bill.balanceOf(spender), bill.nonces(ALICE.address)) == (UNITS, 1)


def test_a_permit_cannot_be_replayed(bill: Any) -> None:
    signature = signed(bill)
    permit(bill, signature)

    with boa.reverts("erc20: invalid signature"):
        permit(bill, signature)


def test_a_permit_out_of_order_is_refused(bill: Any) -> None:
    with boa.reverts("erc20: invalid signature"):
        permit(bill, signed(bill, nonce=1))


def test_a_permit_is_good_until_its_deadline_and_not_after(bill: Any) -> None:
    now = rehearsal.now_seconds()
    with boa.reverts("erc20: expired deadline"):
        permit(bill, signed(bill, deadline_seconds=now - 1), deadline_seconds=now - 1)

    permit(bill, signed(bill, deadline_seconds=now), deadline_seconds=now)


def test_a_permit_signed_by_another_is_refused(bill: Any) -> None:
    with boa.reverts("erc20: invalid signature"):
        permit(bill, signed(bill, signer=MALLORY))


def test_a_permit_for_another_amount_is_refused(bill: Any) -> None:
    with boa.reverts("erc20: invalid signature"):
        permit(bill, signed(bill, units=Units(UNITS + 1)))


def test_a_malleated_permit_is_refused(bill: Any) -> None:
    with boa.reverts("ecdsa: invalid signature `s` value"):
        permit(bill, malleated(signed(bill)))


def test_a_permit_dies_with_a_chain_split(bill: Any) -> None:
    signature = signed(bill)
    rehearsal.set_chain_id(boa.env.evm.patch.chain_id + 1)

    with boa.reverts("erc20: invalid signature"):
        permit(bill, signature)
