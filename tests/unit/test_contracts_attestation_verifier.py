"""The attestation verifier: relies on what a signer signed, once for each order, and on no more."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import attestation_verifier, rehearsal, timelock
from contracts.attestation_verifier import REFUSALS, attestation_argument, attestation_typed_data
from contracts.compile import SOURCES
from contracts.rehearsal import CURVE_ORDER, account_address, contract_address, now_seconds
from contracts.rehearsal_economy import bytes_of, change, named
from ledger.attestation import NO_CONSUMER, Attestation, attestation_digest, domain_separator
from ledger.keccak import keccak256
from ledger.order import Finality
from ledger.units import UINT256_MAX, Units

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

DELAY_SECONDS = 2 * 86_400
SIGNER: LocalAccount = Account.from_key(b"\xa7" * 32)
SECOND: LocalAccount = Account.from_key(b"\xa8" * 32)
MALLORY: LocalAccount = Account.from_key(b"\xe1" * 32)
ARTIFACT = attestation_verifier.artifact()
PREFIX = "attestation_verifier: "


@dataclass(frozen=True)
class Stage:
    contract: Any
    partner: str
    stranger: str

    def attestation(self, **changes: Any) -> Attestation:
        """What is right in every field, about a block so old that the chain forgot its hash."""
        return replace(
            Attestation(
                order_key=b"\x01" * 32,
                tx_hash=b"\x02" * 32,
                block_number=1,
                block_hash=b"\x03" * 32,
                token=b"\x04" * 20,
                treasury=b"\x05" * 20,
                amount_due=Units(10**18),
                amount_received=Units(2 * 10**18),
                finality=Finality.SAFE,
                consumer=bytes_of(self.partner),
                issued_at_seconds=now_seconds(),
                expires_at_seconds=now_seconds() + 300,
            ),
            **changes,
        )

    def sign(
        self,
        attestation: Attestation,
        signer: LocalAccount = SIGNER,
        *,
        chain_id: int | None = None,
        verifier: bytes | None = None,
    ) -> bytes:
        message = attestation_typed_data(
            attestation,
            chain_id=boa.env.evm.patch.chain_id if chain_id is None else chain_id,
            verifier=verifier or contract_address(self.contract),
        )
        return bytes(signer.sign_message(encode_typed_data(full_message=message)).signature)

    def refusal(self, attestation: Attestation, signature: bytes | None = None) -> str:
        """Why it would not be verified, which `verify` and `consume` must agree with."""
        signature = self.sign(attestation) if signature is None else signature
        arguments = (attestation_argument(attestation), signature)
        reason: str = self.contract.refusal(*arguments)
        assert self.contract.verify(*arguments) is (reason == "")
        if reason and len(signature) <= 65:
            with boa.reverts(PREFIX + reason):
                self.contract.consume(*arguments, sender=f"0x{attestation.consumer.hex()}")
        return reason

    def consume(self, attestation: Attestation, sender: str | None = None) -> None:
        self.contract.consume(
            attestation_argument(attestation),
            self.sign(attestation),
            sender=sender or self.partner,
        )


@pytest.fixture
def stage() -> Iterator[Stage]:
    with rehearsal.fresh_state():
        boa.env.time_travel(blocks=1_000)
        code = attestation_verifier.init_code(
            delay_seconds=DELAY_SECONDS, signers=[account_address(SIGNER)]
        )
        contract = rehearsal.deploy(ARTIFACT, code)
        yield Stage(contract, named("partner"), named("stranger"))


def test_what_a_signer_signed_is_verified_by_anyone_and_consumed_by_its_consumer(
    stage: Stage,
) -> None:
    attestation = stage.attestation()
    assert stage.refusal(attestation) == ""
    assert not stage.contract.is_consumed(stage.partner, attestation.order_key)

    stage.consume(attestation)

    (event,) = stage.contract.get_logs()
    assert stage.contract.is_consumed(stage.partner, attestation.order_key)
    assert (event.consumer, event.order_key) == (stage.partner, attestation.order_key)
    assert event.signer == SIGNER.address
    assert event.digest == stage.contract.attestation_digest(attestation_argument(attestation))


def test_it_cannot_be_consumed_twice_nor_can_another_attestation_of_the_same_order(
    stage: Stage,
) -> None:
    stage.consume(stage.attestation())
    for again in (
        stage.attestation(),
        stage.attestation(expires_at_seconds=now_seconds() + 999, tx_hash=b"\x77" * 32),
    ):
        assert stage.refusal(again) == ""
        with boa.reverts(PREFIX + "order is consumed already"):
            stage.consume(again)
    stage.consume(stage.attestation(order_key=b"\x08" * 32))


def test_nobody_else_can_use_it_up(stage: Stage) -> None:
    attestation = stage.attestation()
    with boa.reverts(PREFIX + "caller is not the consumer"):
        stage.consume(attestation, sender=stage.stranger)
    stage.consume(attestation)


def test_the_same_order_can_be_attested_to_two_contracts(stage: Stage) -> None:
    stage.consume(stage.attestation())
    stage.consume(stage.attestation(consumer=bytes_of(stage.stranger)), sender=stage.stranger)


def test_an_attestation_for_nobody_is_for_reading_only(stage: Stage) -> None:
    attestation = stage.attestation(consumer=NO_CONSUMER)
    arguments = (attestation_argument(attestation), stage.sign(attestation))
    assert stage.contract.verify(*arguments)
    with boa.reverts(PREFIX + "caller is not the consumer"):
        stage.contract.consume(*arguments, sender=stage.partner)


@pytest.mark.parametrize(
    "change_of",
    [
        {"order_key": b"\x99" * 32},
        {"tx_hash": b"\x99" * 32},
        {"block_number": 2},
        {"block_hash": b"\x99" * 32},
        {"token": b"\x99" * 20},
        {"treasury": b"\x99" * 20},
        {"amount_due": Units(1)},
        {"amount_received": Units(1)},
        {"finality": Finality.FINALIZED},
        {"consumer": b"\x99" * 20},
        {"issued_at_seconds": 7},
        {"expires_at_seconds": UINT256_MAX},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_each_field_is_signed(stage: Stage, change_of: dict[str, Any]) -> None:
    signed = stage.attestation()
    signature = stage.sign(signed)
    assert stage.refusal(replace(signed, **change_of), signature) == "not signed by a signer"


def test_it_is_worthless_on_another_chain_or_contract(stage: Stage) -> None:
    attestation = stage.attestation()
    for signature in (
        stage.sign(attestation, chain_id=boa.env.evm.patch.chain_id + 1),
        stage.sign(attestation, verifier=b"\x99" * 20),
    ):
        assert stage.refusal(attestation, signature) == "not signed by a signer"


def test_it_is_worthless_after_a_fork_of_the_chain(stage: Stage) -> None:
    attestation = stage.attestation()
    signature = stage.sign(attestation)
    rehearsal.set_chain_id(boa.env.evm.patch.chain_id + 1)
    assert stage.refusal(attestation, signature) == "not signed by a signer"


def test_a_signature_has_no_twin_and_one_form(stage: Stage) -> None:
    attestation = stage.attestation()
    good = stage.sign(attestation)
    r, s, v = good[:32], int.from_bytes(good[32:64]), good[64]
    twin = r + (CURVE_ORDER - s).to_bytes(32) + bytes([55 - v])
    wrong = [
        twin,
        good[:64] + bytes([v - 27]),
        good[:64] + bytes([55 - v]),
        good[:64] + b"\x00",
        good[:64] + b"\xff",
        good[:64],
        r + (s | (v - 27) << 255).to_bytes(32),
        b"",
        bytes(65),
        bytes(32) + good[32:],
        CURVE_ORDER.to_bytes(32) + good[32:],
    ]
    for signature in wrong:
        assert stage.refusal(attestation, signature) == "not signed by a signer", signature.hex()


def test_a_stranger_cannot_sign(stage: Stage) -> None:
    attestation = stage.attestation()
    assert stage.refusal(attestation, stage.sign(attestation, MALLORY)) == "not signed by a signer"


def test_it_expires(stage: Stage) -> None:
    attestation = stage.attestation(expires_at_seconds=now_seconds() + 1)
    assert stage.refusal(attestation) == ""
    expired = stage.attestation(expires_at_seconds=now_seconds())
    assert stage.refusal(expired) == "attestation has expired"


def test_the_chain_itself_refuses_a_block_that_it_does_not_have(stage: Stage) -> None:
    here = boa.env.evm.patch.block_number
    for number in (here, here + 1, UINT256_MAX):
        ahead = stage.attestation(block_number=number)
        assert stage.refusal(ahead) == "block is not in the past"
    for number in (here - 1, here - 256):
        known = boa.env.evm.vm.state.get_ancestor_hash(number)
        assert stage.refusal(stage.attestation(block_number=number, block_hash=known)) == ""
        reversed_ = stage.attestation(block_number=number, block_hash=b"\x99" * 32)
        assert stage.refusal(reversed_) == "block has left the chain"
    assert stage.refusal(stage.attestation(block_number=here - 257)) == ""


def test_a_revoked_signer_is_refused_at_once_and_for_good(stage: Stage) -> None:
    attestation = stage.attestation()
    stage.contract.revoke_signer(SIGNER.address)

    assert stage.refusal(attestation) == "signer is revoked"
    assert (
        stage.contract.is_signer(SIGNER.address),
        stage.contract.is_revoked(SIGNER.address),
    ) == (
        False,
        True,
    )
    with boa.reverts(PREFIX + "signer is revoked already"):
        stage.contract.revoke_signer(SIGNER.address)
    with boa.reverts(PREFIX + "signer is revoked"):
        change(stage.contract, ARTIFACT, "add_signer", account_address(SIGNER))


def test_an_announced_signer_can_be_revoked_before_it_is_added(stage: Stage) -> None:
    payload = timelock.change_payload(ARTIFACT, "add_signer", account_address(MALLORY))
    stage.contract.queue_change(payload)
    stage.contract.revoke_signer(MALLORY.address)
    boa.env.time_travel(seconds=DELAY_SECONDS)
    with boa.reverts(PREFIX + "signer is revoked"):
        stage.contract.execute_change(payload)


def test_keys_rotate_with_an_overlap(stage: Stage) -> None:
    attestation = stage.attestation(expires_at_seconds=UINT256_MAX)
    change(stage.contract, ARTIFACT, "add_signer", account_address(SECOND))
    for signer in (SIGNER, SECOND):
        assert stage.refusal(attestation, stage.sign(attestation, signer)) == ""
    stage.contract.revoke_signer(SIGNER.address)
    assert stage.refusal(attestation, stage.sign(attestation)) == "signer is revoked"
    assert stage.refusal(attestation, stage.sign(attestation, SECOND)) == ""


def test_only_the_owner_decides_who_signs_and_a_new_signer_waits(stage: Stage) -> None:
    payload = timelock.change_payload(ARTIFACT, "add_signer", account_address(MALLORY))
    with boa.reverts("timelock: only as a queued change"):
        stage.contract.add_signer(MALLORY.address)
    with boa.reverts("ownable: caller is not the owner"):
        stage.contract.queue_change(payload, sender=stage.stranger)
    with boa.reverts("ownable: caller is not the owner"):
        stage.contract.revoke_signer(SIGNER.address, sender=stage.stranger)
    stage.contract.queue_change(payload)
    with boa.reverts("timelock: change is not ready"):
        stage.contract.execute_change(payload)


def test_signers_are_added_once_and_are_somebody(stage: Stage) -> None:
    with boa.reverts(PREFIX + "signer is added already"):
        change(stage.contract, ARTIFACT, "add_signer", account_address(SIGNER))
    with boa.reverts(PREFIX + "signer is the zero address"):
        change(stage.contract, ARTIFACT, "add_signer", bytes(20))


def test_its_whole_surface_is_known() -> None:
    """What changes state; renouncing ownership is left out, for keys must stay revocable."""
    changing = {
        entry["name"]
        for entry in ARTIFACT.abi
        if entry["type"] == "function" and entry["stateMutability"] not in {"view", "pure"}
    }
    assert changing == {
        *("consume", "add_signer", "revoke_signer"),
        *("transfer_ownership", "accept_ownership"),
        *("queue_change", "execute_change", "cancel_change"),
    }
    assert not any(
        entry.get("stateMutability") == "payable"
        for entry in ARTIFACT.abi
        if entry["type"] == "function"
    )


def test_the_loader_knows_the_refusals_word_for_word() -> None:
    source = (SOURCES / "attestation_verifier.vy").read_text(encoding="utf-8")
    refusals = source[source.index("def _refusal(") :]
    assert set(re.findall(r'"([a-z][a-z ]+)"', refusals)) == set(REFUSALS)


words = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20)
numbers = st.integers(min_value=0, max_value=UINT256_MAX)
attestations = st.builds(
    Attestation,
    order_key=words,
    tx_hash=words,
    block_number=numbers,
    block_hash=words,
    token=addresses,
    treasury=addresses,
    amount_due=numbers.map(Units),
    amount_received=numbers.map(Units),
    finality=st.sampled_from(Finality),
    consumer=addresses,
    issued_at_seconds=numbers,
    expires_at_seconds=numbers,
)


@settings(max_examples=100, deadline=None)
@given(attestation=attestations, chain_id=st.integers(1, 2**64 - 1), verifier=addresses)
def test_our_digest_is_eth_account_s(
    attestation: Attestation, chain_id: int, verifier: bytes
) -> None:
    message = attestation_typed_data(attestation, chain_id=chain_id, verifier=verifier)
    signable = encode_typed_data(full_message=message)
    separator = domain_separator(chain_id=chain_id, verifier=verifier)
    ours = attestation_digest(attestation, separator=separator)

    assert signable.header == separator
    assert ours == keccak256(b"\x19\x01" + signable.header + signable.body)


@settings(max_examples=30, deadline=None)
@given(attestation=attestations)
def test_our_digest_is_the_contract_s(attestation: Attestation) -> None:
    with rehearsal.fresh_state():
        contract = rehearsal.deploy(
            ARTIFACT, attestation_verifier.init_code(delay_seconds=60, signers=[])
        )
        separator = domain_separator(
            chain_id=boa.env.evm.patch.chain_id, verifier=contract_address(contract)
        )
        assert contract.attestation_digest(attestation_argument(attestation)) == attestation_digest(
            attestation, separator=separator
        )


def test_the_domain_is_what_the_contract_tells(stage: Stage) -> None:
    domain = attestation_verifier.domain(
        chain_id=boa.env.evm.patch.chain_id, verifier=contract_address(stage.contract)
    )
    fields, name, version, chain, address, _, _ = stage.contract.eip712Domain()
    assert (fields, name, version) == (b"\x0f", domain["name"], domain["version"])
    assert (chain, address.lower()) == (domain["chainId"], domain["verifyingContract"])


def test_a_field_that_does_not_fit_is_no_attestation(stage: Stage) -> None:
    for wrong in ({"token": b"\x01" * 32}, {"tx_hash": b"\x01" * 31}, {"block_number": -1}):
        with pytest.raises(ValueError, match=r"is no|does not fit"):
            attestation_digest(stage.attestation(**wrong), separator=bytes(32))
