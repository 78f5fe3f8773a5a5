"""ERC-3009: what a signed authorisation can do, once, and everything it cannot."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts import billcoin, rehearsal
from contracts.billcoin import Authorization
from contracts.rehearsal import Signature, account_address, contract_address, sign
from contracts.typed_data import TypedData
from ledger.order_address import order_key
from ledger.units import Units

ALICE: LocalAccount = Account.from_key(b"\xa1" * 32)
MALLORY: LocalAccount = Account.from_key(b"\xe1" * 32)
PAYEE = b"\xbb" * 20
PAYEE_TEXT = "0x" + "bb" * 20
ORDER_UNITS = Units(3)
HELD_UNITS = 10

Builder = Callable[..., TypedData]
TRANSFER: Builder = billcoin.transfer_with_authorization_typed_data
RECEIVE: Builder = billcoin.receive_with_authorization_typed_data
arguments = rehearsal.authorization_arguments


@pytest.fixture
def bill() -> Iterator[Any]:
    with rehearsal.fresh_state():
        token = rehearsal.deploy_billcoin()
        token.mint(ALICE.address, HELD_UNITS)
        yield token


@pytest.fixture
def authorization() -> Authorization:
    return Authorization(
        owner=account_address(ALICE),
        to=PAYEE,
        units=ORDER_UNITS,
        valid_after_seconds=rehearsal.now_seconds() - 1,
        valid_before_seconds=rehearsal.now_seconds() + 60,
        nonce=b"\x01" * 32,
    )


def signed(
    bill: Any,
    authorization: Authorization,
    *,
    signer: LocalAccount = ALICE,
    build: Builder = TRANSFER,
) -> Signature:
    chain_id: int = boa.env.evm.patch.chain_id
    return sign(signer, build(authorization, chain_id=chain_id, token=contract_address(bill)))


def relay(bill: Any, authorization: Authorization, signature: Signature) -> None:
    bill.transferWithAuthorization(*arguments(authorization, signature))


def receive(bill: Any, authorization: Authorization, signature: Signature, *, caller: str) -> None:
    bill.receiveWithAuthorization(*arguments(authorization, signature), sender=caller)


def cancel_signature(bill: Any, nonce: bytes, *, signer: LocalAccount = ALICE) -> Signature:
    message = billcoin.cancel_authorization_typed_data(
        authorizer=account_address(ALICE),
        nonce=nonce,
        chain_id=boa.env.evm.patch.chain_id,
        token=contract_address(bill),
    )
    return sign(signer, message)


def test_anyone_can_broadcast_what_the_holder_signed(
    bill: Any, authorization: Authorization
) -> None:
    relay(bill, authorization, signed(bill, authorization))

    used, transfer = bill.get_logs()
    assert (used.authorizer, used.nonce) == (ALICE.address, authorization.nonce)
    assert (transfer.sender, transfer.value) == (ALICE.address, ORDER_UNITS)
    assert bill.balanceOf(PAYEE_TEXT) == ORDER_UNITS
    assert bill.authorizationState(ALICE.address, authorization.nonce) is True


def test_an_order_is_paid_and_swept_without_its_payer_ever_sending_a_transaction(
    bill: Any, authorization: Authorization
) -> None:
    factory = rehearsal.deploy_order_vault_factory()
    treasury, key = PAYEE_TEXT, order_key("ord_1")
    order_address = bytes.fromhex(factory.vault_address(treasury, key)[2:])
    to_order = replace(authorization, to=order_address)

    relay(bill, to_order, signed(bill, to_order))

    assert factory.sweep(bill.address, treasury, [key]) == ORDER_UNITS
    assert bill.balanceOf(treasury) == ORDER_UNITS


def test_an_authorisation_cannot_be_replayed(bill: Any, authorization: Authorization) -> None:
    signature = signed(bill, authorization)
    relay(bill, authorization, signature)

    with boa.reverts("billcoin: authorization is used or canceled"):
        relay(bill, authorization, signature)


def test_another_authorisation_with_a_used_nonce_is_refused(
    bill: Any, authorization: Authorization
) -> None:
    relay(bill, authorization, signed(bill, authorization))
    second = replace(authorization, units=Units(1))

    with boa.reverts("billcoin: authorization is used or canceled"):
        relay(bill, second, signed(bill, second))


def test_nonces_need_no_order_and_are_each_holders_own(
    bill: Any, authorization: Authorization
) -> None:
    relay(bill, authorization, signed(bill, authorization))
    second = replace(authorization, nonce=b"\x00" * 32)
    relay(bill, second, signed(bill, second))

    assert not bill.authorizationState(MALLORY.address, authorization.nonce)


def test_it_is_not_valid_in_the_very_second_of_valid_after(
    bill: Any, authorization: Authorization
) -> None:
    early = replace(authorization, valid_after_seconds=rehearsal.now_seconds())

    with boa.reverts("billcoin: authorization is not yet valid"):
        relay(bill, early, signed(bill, early))


def test_it_is_expired_in_the_very_second_of_valid_before(
    bill: Any, authorization: Authorization
) -> None:
    late = replace(authorization, valid_before_seconds=rehearsal.now_seconds())

    with boa.reverts("billcoin: authorization is expired"):
        relay(bill, late, signed(bill, late))


def test_somebody_elses_signature_is_refused(bill: Any, authorization: Authorization) -> None:
    with boa.reverts("billcoin: invalid signature"):
        relay(bill, authorization, signed(bill, authorization, signer=MALLORY))


@pytest.mark.parametrize(
    "change",
    [
        {"to": b"\xcc" * 20},
        {"units": Units(4)},
        {"valid_after_seconds": 0},
        {"valid_before_seconds": 2**255},
        {"nonce": b"\x02" * 32},
        {"owner": account_address(MALLORY)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_relayer_cannot_change_what_was_signed(
    bill: Any, authorization: Authorization, change: dict[str, Any]
) -> None:
    signature = signed(bill, authorization)

    with boa.reverts("billcoin: invalid signature"):
        relay(bill, replace(authorization, **change), signature)


def test_a_malleated_signature_is_refused(bill: Any, authorization: Authorization) -> None:
    with boa.reverts("ecdsa: invalid signature `s` value"):
        relay(bill, authorization, rehearsal.malleated(signed(bill, authorization)))


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_a_signature_that_recovers_to_nobody_is_refused(
    bill: Any, authorization: Authorization, v: int
) -> None:
    with boa.reverts("ecdsa: invalid signature"):
        relay(bill, authorization, signed(bill, authorization)._replace(v=v))


def test_the_zero_address_cannot_be_the_holder_through_a_void_signature(
    bill: Any, authorization: Authorization
) -> None:
    nobody = replace(authorization, owner=bytes(20))

    with boa.reverts("ecdsa: invalid signature"):
        relay(bill, nobody, Signature(27, bytes(32), bytes(32)))


def test_a_signature_for_another_chain_is_refused(bill: Any, authorization: Authorization) -> None:
    message = TRANSFER(
        authorization, chain_id=boa.env.evm.patch.chain_id + 1, token=contract_address(bill)
    )

    with boa.reverts("billcoin: invalid signature"):
        relay(bill, authorization, sign(ALICE, message))


def test_a_signature_for_another_token_is_refused(bill: Any, authorization: Authorization) -> None:
    message = TRANSFER(authorization, chain_id=boa.env.evm.patch.chain_id, token=b"\x77" * 20)

    with boa.reverts("billcoin: invalid signature"):
        relay(bill, authorization, sign(ALICE, message))


def test_after_a_chain_split_old_signatures_die_and_new_ones_work(
    bill: Any, authorization: Authorization
) -> None:
    before = signed(bill, authorization)
    rehearsal.set_chain_id(boa.env.evm.patch.chain_id + 1)

    with boa.reverts("billcoin: invalid signature"):
        relay(bill, authorization, before)
    relay(bill, authorization, signed(bill, authorization))


def test_more_than_the_balance_is_refused_and_leaves_the_nonce_unused(
    bill: Any, authorization: Authorization
) -> None:
    rich = replace(authorization, units=Units(HELD_UNITS + 1))

    with boa.reverts("erc20: transfer amount exceeds balance"):
        relay(bill, rich, signed(bill, rich))
    assert not bill.authorizationState(ALICE.address, rich.nonce)


def test_a_cancelled_authorisation_is_worthless(bill: Any, authorization: Authorization) -> None:
    signature = signed(bill, authorization)
    bill.cancelAuthorization(
        ALICE.address, authorization.nonce, *cancel_signature(bill, authorization.nonce)
    )

    (event,) = bill.get_logs()
    assert (event.authorizer, event.nonce) == (ALICE.address, authorization.nonce)
    assert bill.authorizationState(ALICE.address, authorization.nonce) is True
    with boa.reverts("billcoin: authorization is used or canceled"):
        relay(bill, authorization, signature)


def test_only_the_holder_can_cancel(bill: Any, authorization: Authorization) -> None:
    forged = cancel_signature(bill, authorization.nonce, signer=MALLORY)

    with boa.reverts("billcoin: invalid signature"):
        bill.cancelAuthorization(ALICE.address, authorization.nonce, *forged)


def test_a_cancellation_cannot_be_malleated(bill: Any, authorization: Authorization) -> None:
    twin = rehearsal.malleated(cancel_signature(bill, authorization.nonce))

    with boa.reverts("ecdsa: invalid signature `s` value"):
        bill.cancelAuthorization(ALICE.address, authorization.nonce, *twin)


def test_a_used_authorisation_cannot_be_cancelled(bill: Any, authorization: Authorization) -> None:
    relay(bill, authorization, signed(bill, authorization))
    cancel = cancel_signature(bill, authorization.nonce)

    with boa.reverts("billcoin: authorization is used or canceled"):
        bill.cancelAuthorization(ALICE.address, authorization.nonce, *cancel)


def test_the_payee_can_receive_what_was_signed_for_it(
    bill: Any, authorization: Authorization
) -> None:
    signature = signed(bill, authorization, build=RECEIVE)
    receive(bill, authorization, signature, caller=PAYEE_TEXT)

    assert bill.balanceOf(PAYEE_TEXT) == ORDER_UNITS
    assert bill.authorizationState(ALICE.address, authorization.nonce) is True


def test_nobody_else_can_receive_for_the_payee(bill: Any, authorization: Authorization) -> None:
    signature = signed(bill, authorization, build=RECEIVE)

    with boa.reverts("billcoin: caller must be the payee"):
        receive(bill, authorization, signature, caller=MALLORY.address)


def test_a_receive_cannot_be_front_run_as_a_transfer(
    bill: Any, authorization: Authorization
) -> None:
    seen_in_mempool = signed(bill, authorization, build=RECEIVE)

    with boa.reverts("billcoin: invalid signature"):
        relay(bill, authorization, seen_in_mempool)
    receive(bill, authorization, seen_in_mempool, caller=PAYEE_TEXT)
