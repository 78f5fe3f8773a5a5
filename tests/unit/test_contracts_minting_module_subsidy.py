"""Subsidies and recalls: paid at once or owed, never in the way of minting, taken back when due."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from contracts import minting_module, rehearsal
from contracts.rehearsal_economy import (
    LITRE,
    POOL_UNITS,
    SUBSIDY_PER_LITRE,
    YEAR,
    Mint,
    deploy_mint,
)

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

REFUSES = """
@external
def transfer(to: address, amount: uint256) -> bool:
    return False
"""

REVERTS = """
@external
def transfer(to: address, amount: uint256) -> bool:
    raise "no"
"""

BURNS_ITS_GAS = """
counter: uint256

@external
def transfer(to: address, amount: uint256) -> bool:
    for i: uint256 in range(10_000_000):
        self.counter += 1
    return True
"""

ANSWERS_GARBAGE = """
@external
def transfer(to: address, amount: uint256) -> uint256:
    return 2
"""

ANSWERS_A_BOOK = """
@external
def transfer(to: address, amount: uint256) -> Bytes[2000]:
    return slice(concat(empty(bytes32), empty(bytes32)), 0, 64)
"""

SAYS_NOTHING = """
balanceOf: public(HashMap[address, uint256])

@external
def transfer(to: address, amount: uint256):
    self.balanceOf[to] += amount
"""

# While it pays a subsidy, it replays the batch, claims the debt and recalls through the module.
RE_ENTERS = """
module: address
payload: Bytes[2000]
dairy: address
entered: public(uint256)
refused: public(uint256)

@external
def arm(module: address, dairy: address, payload: Bytes[2000]):
    self.module = module
    self.dairy = dairy
    self.payload = payload

@external
def transfer(to: address, amount: uint256) -> bool:
    claim: Bytes[100] = abi_encode(
        self.dairy, amount, method_id=method_id("claim_payout(address,uint256)")
    )
    settle: Bytes[100] = abi_encode(
        self.dairy, convert(0, uint256), method_id=method_id("settle_recall(address,uint256)")
    )
    first: bool = raw_call(self.module, self.payload, revert_on_failure=False)
    second: bool = raw_call(self.module, claim, revert_on_failure=False)
    third: bool = raw_call(self.module, settle, revert_on_failure=False)
    if first or second or third:
        self.entered += 1
    else:
        self.refused += 1
    return True
"""


@pytest.fixture
def mint() -> Iterator[Mint]:
    with rehearsal.fresh_state():
        yield deploy_mint()


def events(contract: Any, name: str) -> list[Any]:
    return [log for log in contract.get_logs() if type(log).__name__ == name]


def test_the_subsidy_is_paid_in_the_very_transaction(mint: Mint) -> None:
    attestation = mint.attest(3 * LITRE)

    (paid,) = events(mint.module, "PayoutPaid")
    assert (paid.payee, paid.cause) == (mint.dairy, attestation.batch_id)
    assert paid.amount == mint.ringgit.balanceOf(mint.dairy) == 3 * SUBSIDY_PER_LITRE
    assert mint.module.payout_owed(mint.dairy) == 0


def test_a_short_pool_owes_and_does_not_stop_the_minting(mint: Mint) -> None:
    mint.module.withdraw_surplus(mint.regulator, POOL_UNITS, sender=mint.regulator)
    attestation = mint.attest(3 * LITRE)

    (owed,) = events(mint.module, "PayoutOwed")
    assert (owed.payee, owed.cause) == (mint.dairy, attestation.batch_id)
    assert mint.bill.balanceOf(mint.dairy) == 3 * LITRE
    assert mint.module.payout_owed(mint.dairy) == mint.module.payout_owed_total()
    assert mint.module.payout_owed_total() == 3 * SUBSIDY_PER_LITRE


def test_what_is_owed_can_be_claimed_by_anyone_for_the_dairy_once_the_pool_is_funded(
    mint: Mint,
) -> None:
    mint.module.withdraw_surplus(mint.regulator, POOL_UNITS, sender=mint.regulator)
    mint.attest(2 * LITRE)
    with boa.reverts("payout_pool: token refused the transfer"):
        mint.module.claim_payout(mint.dairy, 1)

    mint.ringgit.approve(mint.module.address, SUBSIDY_PER_LITRE, sender=mint.regulator)
    mint.module.fund_payouts(SUBSIDY_PER_LITRE, sender=mint.regulator)
    mint.module.claim_payout(mint.dairy, SUBSIDY_PER_LITRE, sender=mint.stranger)

    assert mint.ringgit.balanceOf(mint.dairy) == SUBSIDY_PER_LITRE
    assert mint.module.payout_owed(mint.dairy) == SUBSIDY_PER_LITRE
    with boa.reverts("payout_pool: more than is owed"):
        mint.module.claim_payout(mint.dairy, SUBSIDY_PER_LITRE + 1)


def test_the_regulator_cannot_take_back_what_is_owed(mint: Mint) -> None:
    mint.module.withdraw_surplus(mint.regulator, POOL_UNITS, sender=mint.regulator)
    mint.attest()
    mint.ringgit.mint(mint.module.address, SUBSIDY_PER_LITRE + 4)

    with boa.reverts("payout_pool: amount is owed to payees"):
        mint.module.withdraw_surplus(mint.regulator, 5, sender=mint.regulator)
    mint.module.withdraw_surplus(mint.regulator, 4, sender=mint.regulator)


def test_a_rate_of_zero_pays_nothing_and_owes_nothing(mint: Mint) -> None:
    mint.module.set_payout_per_litre(0, sender=mint.regulator)
    mint.attest()

    assert mint.ringgit.balanceOf(mint.dairy) == mint.module.payout_owed_total() == 0


def test_a_rate_beyond_reason_is_refused(mint: Mint) -> None:
    with boa.reverts("payout_pool: rate is too high"):
        mint.module.set_payout_per_litre(10**27 + 1, sender=mint.regulator)


@pytest.mark.parametrize(
    "source", [REFUSES, REVERTS, BURNS_ITS_GAS, ANSWERS_GARBAGE, ANSWERS_A_BOOK]
)
def test_a_hostile_subsidy_token_cannot_stop_the_minting(source: str) -> None:
    with rehearsal.fresh_state():
        mint = deploy_mint(subsidy_token=boa.loads(source))
        mint.attest(2 * LITRE)

        assert mint.bill.balanceOf(mint.dairy) == 2 * LITRE
        assert mint.module.payout_owed(mint.dairy) == 2 * SUBSIDY_PER_LITRE


def test_a_subsidy_token_that_eats_gas_cannot_make_a_batch_dear() -> None:
    with rehearsal.fresh_state():
        mint = deploy_mint(subsidy_token=boa.loads(BURNS_ITS_GAS))
        mint.attest(2 * LITRE)

        assert mint.module._computation.get_gas_used() < 700_000


def test_a_subsidy_token_that_answers_nothing_is_taken_at_its_word() -> None:
    with rehearsal.fresh_state():
        mint = deploy_mint(subsidy_token=boa.loads(SAYS_NOTHING))
        mint.attest()

        assert mint.ringgit.balanceOf(mint.dairy) == SUBSIDY_PER_LITRE
        assert mint.module.payout_owed(mint.dairy) == 0


def test_a_subsidy_token_that_calls_back_finds_every_door_locked() -> None:
    with rehearsal.fresh_state():
        token = boa.loads(RE_ENTERS)
        mint = deploy_mint(subsidy_token=token)
        second = mint.attestation(5 * LITRE)
        payload = mint.module.submit_batch.prepare_calldata(
            minting_module.attestation_argument(second), [mint.sign(second)]
        )
        token.arm(mint.module.address, mint.dairy, payload)
        mint.attest(2 * LITRE)

        assert (token.entered(), token.refused()) == (0, 1)
        assert mint.bill.totalSupply() == 2 * LITRE
        mint.submit(second)
        assert mint.bill.totalSupply() == 7 * LITRE


def test_a_submitter_cannot_starve_the_subsidy_of_gas_and_still_mint(mint: Mint) -> None:
    attestation = mint.attestation(3 * LITRE)
    arguments = minting_module.attestation_argument(attestation), [mint.sign(attestation)]
    outcomes = set()
    for gas in range(60_000, 330_000, 3_000):
        with rehearsal.fresh_state():
            try:
                mint.module.submit_batch(*arguments, gas=gas, sender=mint.stranger)
            except boa.BoaError:
                outcomes.add("nothing")
            else:
                assert mint.ringgit.balanceOf(mint.dairy) == 3 * SUBSIDY_PER_LITRE
                outcomes.add("minted and paid")

    assert outcomes == {"nothing", "minted and paid"}


def test_a_recall_is_marked_once_and_told(mint: Mint) -> None:
    attestation = mint.attest(3 * LITRE)
    mint.module.recall_batch(mint.dairy, attestation.batch_id, "listeria", sender=mint.regulator)

    (recalled,) = events(mint.module, "BatchRecalled")
    assert (recalled.litres, recalled.reason) == (3 * LITRE, "listeria")
    assert mint.module.batches(mint.dairy, attestation.batch_id)[3] is True
    with boa.reverts("minting_module: batch is recalled already"):
        mint.module.recall_batch(mint.dairy, attestation.batch_id, "", sender=mint.regulator)


def test_a_batch_that_never_was_cannot_be_recalled(mint: Mint) -> None:
    with boa.reverts("minting_module: batch is not accepted"):
        mint.module.recall_batch(mint.dairy, b"\x01" * 32, "", sender=mint.regulator)


def test_a_recall_takes_no_bill_from_anybody_and_gives_no_quota_back(mint: Mint) -> None:
    attestation = mint.attest(3 * LITRE)
    mint.bill.transfer(mint.stranger, 3 * LITRE, sender=mint.dairy)
    mint.module.recall_batch(mint.dairy, attestation.batch_id, "", sender=mint.regulator)

    assert mint.bill.balanceOf(mint.stranger) == 3 * LITRE
    assert mint.module.recall_debt_litres(mint.dairy) == 3 * LITRE
    assert mint.module.attested_litres(mint.dairy, YEAR) == 3 * LITRE


def test_the_next_milk_makes_the_recalled_litres_good_first(mint: Mint) -> None:
    attestation = mint.attest(3 * LITRE)
    mint.module.recall_batch(mint.dairy, attestation.batch_id, "", sender=mint.regulator)
    mint.attest(2 * LITRE)
    assert mint.bill.totalSupply() == 3 * LITRE

    mint.attest(5 * LITRE)
    assert mint.bill.balanceOf(mint.dairy) == mint.bill.totalSupply() == 7 * LITRE
    assert mint.module.recall_debt_litres(mint.dairy) == 0
    assert mint.module.recalled_total() == mint.module.recall_settled_total() == 3 * LITRE


def test_withheld_litres_show_in_the_tokens_own_log_as_minted_and_burned(mint: Mint) -> None:
    attestation = mint.attest(3 * LITRE)
    mint.module.recall_batch(mint.dairy, attestation.batch_id, "", sender=mint.regulator)
    mint.attest(4 * LITRE)

    moves = [
        (int(log.sender, 16) == 0, int(log.receiver, 16) == 0, log.value)
        for log in events(mint.module, "Transfer")
        if log.address == mint.bill.address
    ]
    assert moves == [(True, False, 3 * LITRE), (False, True, 3 * LITRE), (True, False, LITRE)]


def test_the_dairy_can_burn_its_bill_instead(mint: Mint) -> None:
    attestation = mint.attest(3 * LITRE)
    mint.module.recall_batch(mint.dairy, attestation.batch_id, "", sender=mint.regulator)
    mint.bill.approve(mint.module.address, 3 * LITRE, sender=mint.dairy)
    mint.module.settle_recall(mint.dairy, 2 * LITRE, sender=mint.dairy)

    assert mint.bill.totalSupply() == LITRE
    assert mint.module.recall_debt_litres(mint.dairy) == LITRE
    with boa.reverts("recall_debt: more than is owed"):
        mint.module.settle_recall(mint.dairy, LITRE + 1, sender=mint.dairy)


def test_nobody_can_settle_with_anothers_bill(mint: Mint) -> None:
    attestation = mint.attest(3 * LITRE)
    mint.module.recall_batch(mint.dairy, attestation.batch_id, "", sender=mint.regulator)
    mint.bill.approve(mint.module.address, 3 * LITRE, sender=mint.dairy)

    for caller in (mint.stranger, mint.regulator):
        with boa.reverts("erc20: insufficient allowance"):
            mint.module.settle_recall(mint.dairy, LITRE, sender=caller)


def test_the_subsidy_of_a_recalled_batch_comes_off_later_ones(mint: Mint) -> None:
    attestation = mint.attest(3 * LITRE)
    mint.module.recall_batch(mint.dairy, attestation.batch_id, "", sender=mint.regulator)
    mint.attest(2 * LITRE)
    assert mint.ringgit.balanceOf(mint.dairy) == 3 * SUBSIDY_PER_LITRE

    mint.attest(2 * LITRE)
    assert mint.ringgit.balanceOf(mint.dairy) == 4 * SUBSIDY_PER_LITRE
    assert mint.module.subsidy_debt(mint.dairy) == 0


def test_the_subsidy_still_owed_for_a_recalled_batch_is_owed_no_more(mint: Mint) -> None:
    mint.module.withdraw_surplus(mint.regulator, POOL_UNITS, sender=mint.regulator)
    attestation = mint.attest(3 * LITRE)
    mint.module.recall_batch(mint.dairy, attestation.batch_id, "", sender=mint.regulator)

    assert mint.module.payout_owed(mint.dairy) == mint.module.payout_owed_total() == 0
    assert mint.module.subsidy_debt(mint.dairy) == 0
