"""What a wallet is asked to sign survives JSON, and is bound to its chain and token."""

import json

import pytest
from eth_account.messages import encode_typed_data

from contracts import billcoin
from contracts.billcoin import Authorization
from contracts.typed_data import TypedData
from ledger.units import UINT256_MAX, Units

TOKEN = b"\x7c" * 20
HUGE = Authorization(
    owner=b"\xaa" * 20,
    to=b"\xbb" * 20,
    units=Units(UINT256_MAX),
    valid_after_seconds=0,
    valid_before_seconds=UINT256_MAX,
    nonce=b"\xff" * 32,
)
MESSAGES = [
    billcoin.transfer_with_authorization_typed_data(HUGE, chain_id=1, token=TOKEN),
    billcoin.receive_with_authorization_typed_data(HUGE, chain_id=1, token=TOKEN),
    billcoin.cancel_authorization_typed_data(
        authorizer=HUGE.owner, nonce=HUGE.nonce, chain_id=1, token=TOKEN
    ),
    billcoin.permit_typed_data(
        owner=HUGE.owner,
        spender=HUGE.to,
        units=HUGE.units,
        nonce=UINT256_MAX,
        deadline_seconds=UINT256_MAX,
        chain_id=1,
        token=TOKEN,
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["primaryType"])
def test_a_message_survives_json(message: TypedData) -> None:
    through_json = json.loads(json.dumps(message))

    assert encode_typed_data(full_message=through_json) == encode_typed_data(full_message=message)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["primaryType"])
def test_a_message_holds_no_number_that_javascript_would_round(message: TypedData) -> None:
    assert all(isinstance(value, str) for value in message["message"].values())


def test_an_authorisation_reads_as_a_wallet_shows_it() -> None:
    authorization = Authorization(
        owner=b"\xaa" * 20,
        to=b"\xbb" * 20,
        units=Units(250_000_000_000_000_000),
        valid_after_seconds=0,
        valid_before_seconds=1_775_808_923,
        nonce=b"\x01" * 32,
    )

    message = billcoin.transfer_with_authorization_typed_data(
        authorization, chain_id=31337, token=TOKEN
    )

    assert message["primaryType"] == "TransferWithAuthorization"
    assert message["domain"] == {
        "name": "BillCoin",
        "version": "1",
        "chainId": 31337,
        "verifyingContract": "0x" + "7c" * 20,
    }
    assert message["message"] == {
        "from": "0x" + "aa" * 20,
        "to": "0x" + "bb" * 20,
        "value": "250000000000000000",
        "validAfter": "0",
        "validBefore": "1775808923",
        "nonce": "0x" + "01" * 32,
    }


def test_chain_token_and_kind_each_change_what_is_signed() -> None:
    variants = [
        billcoin.transfer_with_authorization_typed_data(HUGE, chain_id=1, token=TOKEN),
        billcoin.transfer_with_authorization_typed_data(HUGE, chain_id=2, token=TOKEN),
        billcoin.transfer_with_authorization_typed_data(HUGE, chain_id=1, token=b"\x7d" * 20),
        billcoin.receive_with_authorization_typed_data(HUGE, chain_id=1, token=TOKEN),
    ]

    assert len({encode_typed_data(full_message=variant) for variant in variants}) == len(variants)
