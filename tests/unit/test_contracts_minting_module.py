"""Minting BILL: a batch is accepted when every condition holds, and each refusal has a name."""

from collections.abc import Iterator
from dataclasses import replace

import boa
import pytest

from contracts import rehearsal
from contracts.rehearsal import account_address, malleated, now_seconds
from contracts.rehearsal_economy import (
    LITRE,
    MAX_AGE_SECONDS,
    QUOTA,
    SECOND_SENSOR_ABOVE,
    SENSORS,
    START_SECONDS,
    SUBSIDY_PER_LITRE,
    YEAR,
    Mint,
    bytes_of,
    deploy_mint,
    set_time,
)

NEW_YEAR_2027 = 1_798_761_600


@pytest.fixture
def mint() -> Iterator[Mint]:
    with rehearsal.fresh_state():
        yield deploy_mint()


def test_a_batch_mints_its_litres_to_the_dairy_whoever_submits_it(mint: Mint) -> None:
    mint.attest(7 * LITRE)

    assert mint.bill.balanceOf(mint.dairy) == mint.bill.totalSupply() == 7 * LITRE
    assert mint.module.attested_total() == 7 * LITRE
    assert mint.module.attested_litres(mint.dairy, YEAR) == 7 * LITRE


def test_the_batch_is_told_in_one_event(mint: Mint) -> None:
    attestation = mint.attest(7 * LITRE)

    event = next(log for log in mint.module.get_logs() if type(log).__name__ == "BatchAccepted")
    assert (event.dairy, event.batch_id) == (mint.dairy, attestation.batch_id)
    assert (event.sensor, int(event.second_sensor, 16)) == (SENSORS[0].address, 0)
    assert (event.litres, event.year, event.nonce) == (7 * LITRE, YEAR, attestation.nonce)
    assert (event.temperature, event.holding_ms) == (72_500, 16_000)
    assert (event.started_at, event.ended_at) == (START_SECONDS - 3_600, START_SECONDS)
    assert event.subsidy == 7 * SUBSIDY_PER_LITRE


def test_a_batch_is_accepted_once(mint: Mint) -> None:
    attestation = mint.attest()

    with boa.reverts("minting_module: nonce is used"):
        mint.submit(attestation)


def test_a_batch_signed_again_under_another_nonce_is_refused(mint: Mint) -> None:
    attestation = mint.attest()

    with boa.reverts("minting_module: batch is accepted already"):
        mint.submit(replace(attestation, nonce=99))


def test_another_dairy_may_use_the_same_batch_id(mint: Mint) -> None:
    attestation = mint.attest()
    other = replace(
        attestation, dairy=bytes_of(mint.other_dairy), sensor=account_address(SENSORS[2])
    )

    mint.submit(other, [mint.sign(other, SENSORS[2])])
    assert mint.bill.balanceOf(mint.other_dairy) == LITRE


def test_a_batch_without_signature_is_refused(mint: Mint) -> None:
    with boa.reverts("minting_module: no signature"):
        mint.submit(mint.attestation(), [])


def test_an_empty_batch_is_refused(mint: Mint) -> None:
    with boa.reverts("minting_module: batch is empty"):
        mint.attest(0)


def test_a_signature_by_another_than_the_named_sensor_is_refused(mint: Mint) -> None:
    attestation = mint.attestation()

    with boa.reverts("minting_module: invalid signature"):
        mint.submit(attestation, [mint.sign(attestation, SENSORS[1])])


def test_litres_changed_after_signing_are_refused(mint: Mint) -> None:
    attestation = mint.attestation()

    with boa.reverts("minting_module: invalid signature"):
        mint.submit(replace(attestation, litres=2 * LITRE), [mint.sign(attestation)])


def test_a_malleated_signature_is_refused(mint: Mint) -> None:
    attestation = mint.attestation()

    with boa.reverts("ecdsa: invalid signature `s` value"):
        mint.submit(attestation, [malleated(mint.sign(attestation))])


def test_an_attestation_dies_with_a_chain_split(mint: Mint) -> None:
    attestation = mint.attestation()
    signature = mint.sign(attestation)
    rehearsal.set_chain_id(boa.env.evm.patch.chain_id + 1)

    with boa.reverts("minting_module: invalid signature"):
        mint.submit(attestation, [signature])


def test_an_attestation_for_another_module_is_refused(mint: Mint) -> None:
    other = deploy_mint()
    attestation = mint.attestation()

    with boa.reverts("minting_module: invalid signature"):
        mint.submit(attestation, [other.sign(attestation)])


@pytest.mark.parametrize("sensor", [2, 3], ids=["of another dairy", "of nobody"])
def test_a_sensor_that_is_not_the_dairys_is_refused(mint: Mint, sensor: int) -> None:
    attestation = mint.attestation(sensor=account_address(SENSORS[sensor]))

    with boa.reverts("dairy_register: sensor is not approved for the dairy"):
        mint.submit(attestation, [mint.sign(attestation, SENSORS[sensor])])


def test_what_a_revoked_sensor_signed_before_is_refused(mint: Mint) -> None:
    attestation = mint.attestation()
    mint.module.revoke_sensor(SENSORS[0].address, sender=mint.regulator)

    with boa.reverts("dairy_register: sensor is not approved for the dairy"):
        mint.submit(attestation)


def test_a_revoked_dairy_mints_no_more_and_keeps_what_it_has(mint: Mint) -> None:
    mint.attest()
    mint.module.revoke_dairy(mint.dairy, sender=mint.regulator)

    with boa.reverts("dairy_register: dairy is not approved"):
        mint.attest()
    assert mint.bill.balanceOf(mint.dairy) == LITRE


def test_the_sensors_of_nobody_do_not_match_the_zero_address_as_dairy(mint: Mint) -> None:
    attestation = mint.attestation(dairy=bytes(20), sensor=account_address(SENSORS[3]))

    with boa.reverts("dairy_register: dairy is not approved"):
        mint.submit(attestation, [mint.sign(attestation, SENSORS[3])])


def test_a_batch_from_the_future_is_refused(mint: Mint) -> None:
    with boa.reverts("minting_module: batch ends in the future"):
        mint.attest(ended_at_seconds=now_seconds() + 1)


def test_a_batch_is_fresh_until_its_maximum_age_and_not_after(mint: Mint) -> None:
    at_the_limit = mint.attestation(
        ended_at_seconds=now_seconds() - MAX_AGE_SECONDS,
        started_at_seconds=now_seconds() - MAX_AGE_SECONDS - 60,
    )
    mint.submit(at_the_limit)

    set_time(now_seconds() + 1)
    with boa.reverts("minting_module: attestation is too old"):
        mint.submit(replace(at_the_limit, nonce=99, batch_id=b"\x99" * 32))


def test_a_batch_that_ends_before_it_starts_is_refused(mint: Mint) -> None:
    with boa.reverts("minting_module: batch ends before it starts"):
        mint.attest(started_at_seconds=now_seconds() + 1)


def test_milk_held_for_longer_than_its_batch_took_is_refused(mint: Mint) -> None:
    with boa.reverts("minting_module: held for longer than the batch took"):
        mint.attest(started_at_seconds=now_seconds() - 10, holding_milliseconds=15_000)


@pytest.mark.parametrize(
    ("temperature", "holding"),
    [(72_000, 15_000), (63_000, 1_800_000), (90_000, 15_000)],
    ids=["just HTST", "just LTLT", "hotter"],
)
def test_milk_that_meets_either_standard_is_pasteurised(
    mint: Mint, temperature: int, holding: int
) -> None:
    mint.attest(temperature_milli_celsius=temperature, holding_milliseconds=holding)

    assert mint.bill.totalSupply() == LITRE


@pytest.mark.parametrize(
    ("temperature", "holding"),
    [(71_999, 15_000), (72_000, 14_999), (62_999, 1_800_000), (63_000, 1_799_999), (-5_000, 9**7)],
)
def test_milk_that_meets_neither_standard_is_refused(
    mint: Mint, temperature: int, holding: int
) -> None:
    with boa.reverts("pasteurisation: batch is not pasteurised"):
        mint.attest(
            temperature_milli_celsius=temperature,
            holding_milliseconds=holding,
            started_at_seconds=START_SECONDS - 80_000,
        )


def test_a_reading_that_no_pasteuriser_gives_is_refused(mint: Mint) -> None:
    with boa.reverts("pasteurisation: temperature is implausible"):
        mint.attest(temperature_milli_celsius=160_001)


def test_a_large_batch_needs_a_second_sensor(mint: Mint) -> None:
    large = mint.attestation(SECOND_SENSOR_ABOVE + 1)
    with boa.reverts("minting_module: large batch needs a second sensor"):
        mint.submit(large)

    mint.submit(large, [mint.sign(large), mint.sign(large, SENSORS[1])])
    event = next(log for log in mint.module.get_logs() if type(log).__name__ == "BatchAccepted")
    assert event.second_sensor == SENSORS[1].address


def test_a_batch_of_just_the_limit_needs_one_sensor(mint: Mint) -> None:
    mint.attest(SECOND_SENSOR_ABOVE)

    assert mint.bill.totalSupply() == SECOND_SENSOR_ABOVE


def test_the_second_sensor_must_be_another_than_the_first(mint: Mint) -> None:
    large = mint.attestation(SECOND_SENSOR_ABOVE + 1)

    with boa.reverts("minting_module: second sensor is the first"):
        mint.submit(large, [mint.sign(large), mint.sign(large)])


@pytest.mark.parametrize("sensor", [2, 3], ids=["of another dairy", "of nobody"])
def test_the_second_sensor_must_be_the_dairys(mint: Mint, sensor: int) -> None:
    large = mint.attestation(SECOND_SENSOR_ABOVE + 1)

    with boa.reverts("dairy_register: sensor is not approved for the dairy"):
        mint.submit(large, [mint.sign(large), mint.sign(large, SENSORS[sensor])])


def test_a_wrong_second_signature_is_not_passed_over_on_a_small_batch(mint: Mint) -> None:
    small = mint.attestation()

    with boa.reverts("dairy_register: sensor is not approved for the dairy"):
        mint.submit(small, [mint.sign(small), mint.sign(small, SENSORS[3])])


def test_the_quota_is_used_up_to_its_last_unit(mint: Mint) -> None:
    mint.attest(QUOTA - 5)
    with boa.reverts("dairy_register: quota is used up"):
        mint.attest(6)
    mint.attest(5)

    with boa.reverts("dairy_register: quota is used up"):
        mint.attest(1)


def test_litres_beyond_any_sum_are_over_quota(mint: Mint) -> None:
    mint.attest(5)

    with boa.reverts("dairy_register: quota is used up"):
        mint.attest(2**256 - 1)


def test_a_year_without_quota_mints_nothing(mint: Mint) -> None:
    set_time(NEW_YEAR_2027)

    with boa.reverts("dairy_register: quota is used up"):
        mint.attest()


def test_a_batch_counts_for_the_year_it_ended_in_however_late_it_comes(mint: Mint) -> None:
    mint.module.set_quota(mint.dairy, YEAR + 1, 3 * LITRE, sender=mint.regulator)
    set_time(NEW_YEAR_2027 + 600)
    mint.attest(2 * LITRE, ended_at_seconds=NEW_YEAR_2027 - 1)
    mint.attest(3 * LITRE, ended_at_seconds=NEW_YEAR_2027)

    assert mint.module.attested_litres(mint.dairy, YEAR) == 2 * LITRE
    assert mint.module.attested_litres(mint.dairy, YEAR + 1) == 3 * LITRE
    with boa.reverts("dairy_register: quota is used up"):
        mint.attest(1, ended_at_seconds=NEW_YEAR_2027)


def test_a_pause_stops_batches_and_the_end_of_the_pause_lets_them_in(mint: Mint) -> None:
    mint.module.pause(sender=mint.regulator)
    with boa.reverts("pausable: contract is paused"):
        mint.attest()

    mint.module.unpause(sender=mint.regulator)
    mint.attest()
    assert mint.bill.totalSupply() == LITRE


def test_without_the_minters_role_nothing_is_accepted(mint: Mint) -> None:
    mint.bill.set_minter(mint.module.address, False)  # noqa: FBT003 - the ABI takes it so

    with boa.reverts("erc20: access is denied"):
        mint.attest()
    assert mint.module.attested_total() == 0
