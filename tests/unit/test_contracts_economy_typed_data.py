"""What sensors and payers sign survives JSON, and is what the contracts verify, to the letter."""

import json
from typing import Any

import pytest
from eth_account.messages import encode_typed_data

from contracts import minting_module, rehearsal, standing_orders
from contracts.milk_price_feed import Price
from contracts.minting_module import BatchAttestation
from contracts.rehearsal import contract_address
from contracts.rehearsal_economy import chain_id, deploy_mint
from contracts.rehearsal_standing_orders import deploy_standing_orders
from contracts.standing_orders import PriceMode, StandingOrder
from contracts.typed_data import TypedData
from ledger.keccak import keccak256
from ledger.units import UINT256_MAX, Units

CONTRACT = b"\x7c" * 20
ATTESTATION = BatchAttestation(
    dairy=b"\xaa" * 20,
    sensor=b"\xbb" * 20,
    batch_id=b"\xff" * 32,
    litres=Units(UINT256_MAX),
    temperature_milli_celsius=-(2**255),
    holding_milliseconds=UINT256_MAX,
    started_at_seconds=UINT256_MAX,
    ended_at_seconds=UINT256_MAX,
    nonce=UINT256_MAX,
)
ORDER = StandingOrder(
    payer=b"\xaa" * 20,
    merchant=b"\xbb" * 20,
    into_vaults=True,
    litres=Units(UINT256_MAX),
    period_seconds=UINT256_MAX,
    price_mode=PriceMode.ALL_MILK,
    fixed_price=Price(UINT256_MAX),
    max_price=Price(UINT256_MAX),
    rate=Price(UINT256_MAX),
    starts_at_seconds=UINT256_MAX,
    ends_at_seconds=UINT256_MAX,
    nonce=UINT256_MAX,
)
MESSAGES = [
    minting_module.attestation_typed_data(ATTESTATION, chain_id=1, module=CONTRACT),
    standing_orders.standing_order_typed_data(ORDER, chain_id=1, contract=CONTRACT),
    standing_orders.cancel_typed_data(
        payer=ORDER.payer, nonce=UINT256_MAX, chain_id=1, contract=CONTRACT
    ),
]


def declaration(message: TypedData) -> bytes:
    kind = message["primaryType"]
    fields = ",".join(f"{field['type']} {field['name']}" for field in message["types"][kind])
    return f"{kind}({fields})".encode()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["primaryType"])
def test_a_message_survives_json(message: TypedData) -> None:
    through_json = json.loads(json.dumps(message))

    assert encode_typed_data(full_message=through_json) == encode_typed_data(full_message=message)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["primaryType"])
def test_a_message_holds_no_number_that_javascript_would_round(message: TypedData) -> None:
    assert all(isinstance(value, str | bool) for value in message["message"].values())


def test_the_contracts_hash_the_very_types_that_are_signed() -> None:
    with rehearsal.fresh_state():
        module, contract = deploy_mint().module, deploy_standing_orders().contract
        on_chain = (
            module.ATTESTATION_TYPEHASH(),
            contract.STANDING_ORDER_TYPEHASH(),
            contract.CANCEL_TYPEHASH(),
        )

    assert on_chain == tuple(keccak256(declaration(message)) for message in MESSAGES)


def test_the_domains_are_those_that_the_contracts_tell() -> None:
    with rehearsal.fresh_state():
        mint, delivery = deploy_mint(), deploy_standing_orders()
        expected = [
            (mint.module, minting_module.domain(chain_id=chain_id(), module=CONTRACT)),
            (delivery.contract, standing_orders.domain(chain_id=chain_id(), contract=CONTRACT)),
        ]
        for contract, domain in expected:
            fields, name, version, chain, address, _, _ = contract.eip712Domain()
            assert fields == b"\x0f"
            assert (name, version) == (domain["name"], domain["version"])
            assert (chain, address) == (domain["chainId"], contract.address)


@pytest.mark.parametrize("mode", PriceMode)
def test_the_loader_hashes_a_standing_order_as_the_contract_does(mode: PriceMode) -> None:
    with rehearsal.fresh_state():
        delivery = deploy_standing_orders()
        order = delivery.order(price_mode=mode, into_vaults=bool(mode))

        assert delivery.contract.order_hash(
            standing_orders.order_argument(order)
        ) == standing_orders.order_hash(order)
        assert contract_address(delivery.contract) != CONTRACT


def test_each_field_of_an_attestation_is_signed() -> None:
    message = MESSAGES[0]
    signed = encode_typed_data(full_message=message)
    for field in message["message"]:
        changed: Any = json.loads(json.dumps(message))
        changed["message"][field] = {
            "dairy": "0x" + "cc" * 20,
            "sensor": "0x" + "cc" * 20,
            "batchId": "0x" + "cc" * 32,
        }.get(field, "5")
        assert encode_typed_data(full_message=changed) != signed, field
