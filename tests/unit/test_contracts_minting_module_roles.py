"""Who may do what to the Minting Module Unit, and how long the dangerous things take."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boa
import pytest
from eth.exceptions import Revert

from contracts import minting_module, rehearsal, timelock
from contracts.minting_module import HTST, Standard
from contracts.rehearsal import deploy, now_seconds
from contracts.rehearsal_economy import (
    DELAY_SECONDS,
    LITRE,
    QUOTA,
    SENSORS,
    YEAR,
    Mint,
    bytes_of,
    change,
    deploy_mint,
    mint_terms,
    set_time,
)

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

ZERO = "0x" + "00" * 20
NOBODY = "0x" + "0e" * 20
ARTIFACT = minting_module.artifact()


@pytest.fixture
def mint() -> Iterator[Mint]:
    with rehearsal.fresh_state():
        yield deploy_mint()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("approve_dairy", (NOBODY,)),
        ("revoke_dairy", (NOBODY,)),
        ("approve_sensor", (NOBODY, NOBODY)),
        ("set_quota", (NOBODY, YEAR, 1)),
        ("recall_batch", (NOBODY, b"\x01" * 32, "")),
        ("set_payout_per_litre", (1,)),
        ("withdraw_surplus", (NOBODY, 1)),
    ],
)
def test_only_the_regulator_regulates(
    mint: Mint, function: str, arguments: tuple[Any, ...]
) -> None:
    owner = boa.env.eoa
    for caller in (mint.stranger, owner, mint.dairy):
        if function == "revoke_dairy":
            arguments = (mint.dairy,)
        with boa.reverts("regulation: caller is not the regulator"):
            getattr(mint.module, function)(*arguments, sender=caller)


def test_a_sensor_is_revoked_by_the_regulator_or_its_own_dairy(mint: Mint) -> None:
    sensor = SENSORS[0].address
    for caller in (mint.stranger, mint.other_dairy):
        with boa.reverts("regulation: caller is not the regulator"):
            mint.module.revoke_sensor(sensor, sender=caller)

    mint.module.revoke_sensor(sensor, sender=mint.dairy)
    with boa.reverts("dairy_register: sensor is not approved"):
        mint.module.revoke_sensor(sensor, sender=mint.dairy)


def test_the_register_refuses_what_makes_no_sense(mint: Mint) -> None:
    module, regulator = mint.module, mint.regulator
    with boa.reverts("dairy_register: dairy is the zero address"):
        module.approve_dairy(ZERO, sender=regulator)
    with boa.reverts("dairy_register: dairy is approved already"):
        module.approve_dairy(mint.dairy, sender=regulator)
    with boa.reverts("dairy_register: dairy is not approved"):
        module.revoke_dairy(NOBODY, sender=regulator)
    with boa.reverts("dairy_register: sensor is the zero address"):
        module.approve_sensor(ZERO, mint.dairy, sender=regulator)
    with boa.reverts("dairy_register: dairy is not approved"):
        module.approve_sensor(NOBODY, NOBODY, sender=regulator)
    with boa.reverts("dairy_register: sensor is approved already"):
        module.approve_sensor(SENSORS[0].address, mint.other_dairy, sender=regulator)


def test_a_quota_cannot_fall_below_what_is_attested(mint: Mint) -> None:
    mint.attest(5 * LITRE)

    with boa.reverts("dairy_register: quota is below what is attested"):
        mint.module.set_quota(mint.dairy, YEAR, 5 * LITRE - 1, sender=mint.regulator)
    mint.module.set_quota(mint.dairy, YEAR, 5 * LITRE, sender=mint.regulator)
    with boa.reverts("dairy_register: quota is used up"):
        mint.attest(1)


def test_regulator_and_owner_may_pause_and_nobody_else(mint: Mint) -> None:
    for caller in (mint.stranger, mint.dairy):
        for function in (mint.module.pause, mint.module.unpause):
            with boa.reverts("minting_module: caller is neither regulator nor owner"):
                function(sender=caller)
    mint.module.pause()
    mint.module.unpause(sender=mint.regulator)


def test_ownership_moves_in_two_steps(mint: Mint) -> None:
    mint.module.transfer_ownership(mint.stranger)
    assert mint.module.owner() != mint.stranger

    with boa.reverts("ownable_2step: caller is not the new owner"):
        mint.module.accept_ownership(sender=mint.dairy)
    mint.module.accept_ownership(sender=mint.stranger)
    assert mint.module.owner() == mint.stranger


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("set_regulator", (NOBODY,)), ("set_standards", ([HTST],)), ("set_limits", (60, 1))],
)
def test_dangerous_setters_obey_nobody_directly(
    mint: Mint, function: str, arguments: tuple[Any, ...]
) -> None:
    for caller in (boa.env.eoa, mint.regulator, mint.stranger):
        with boa.reverts("timelock: only as a queued change"):
            getattr(mint.module, function)(*arguments, sender=caller)


def test_a_queued_change_waits_for_its_delay_and_happens_once(mint: Mint) -> None:
    payload = timelock.change_payload(ARTIFACT, "set_regulator", bytes_of(NOBODY))
    mint.module.queue_change(payload)
    change_id = timelock.change_id(payload)
    assert mint.module.change_ready_at(change_id) == now_seconds() + DELAY_SECONDS

    set_time(now_seconds() + DELAY_SECONDS - 1)
    with boa.reverts("timelock: change is not ready"):
        mint.module.execute_change(payload)
    set_time(now_seconds() + 1)
    mint.module.execute_change(payload)

    assert bytes_of(mint.module.regulator()) == bytes_of(NOBODY)
    with boa.reverts("timelock: change is not queued"):
        mint.module.execute_change(payload)


def test_a_change_that_nobody_executes_lapses_and_can_be_queued_again(mint: Mint) -> None:
    payload = timelock.change_payload(ARTIFACT, "set_limits", 60, 1)
    mint.module.queue_change(payload)
    with boa.reverts("timelock: change is queued already"):
        mint.module.queue_change(payload)

    set_time(now_seconds() + DELAY_SECONDS + timelock.GRACE_SECONDS + 1)
    with boa.reverts("timelock: change has lapsed"):
        mint.module.execute_change(payload)
    mint.module.queue_change(payload)


def test_a_cancelled_change_never_happens(mint: Mint) -> None:
    payload = timelock.change_payload(ARTIFACT, "set_limits", 60, 1)
    mint.module.queue_change(payload)
    mint.module.cancel_change(timelock.change_id(payload))
    set_time(now_seconds() + DELAY_SECONDS)

    with boa.reverts("timelock: change is not queued"):
        mint.module.execute_change(payload)
    with boa.reverts("timelock: change is not queued"):
        mint.module.cancel_change(timelock.change_id(payload))


def test_only_the_owner_queues_executes_and_cancels(mint: Mint) -> None:
    payload = timelock.change_payload(ARTIFACT, "set_limits", 60, 1)
    for caller in (mint.stranger, mint.regulator):
        with boa.reverts("ownable: caller is not the owner"):
            mint.module.queue_change(payload, sender=caller)
        with boa.reverts("ownable: caller is not the owner"):
            mint.module.execute_change(payload, sender=caller)
        with boa.reverts("ownable: caller is not the owner"):
            mint.module.cancel_change(timelock.change_id(payload), sender=caller)


def test_a_change_cannot_do_as_the_module_what_only_a_regulator_may(mint: Mint) -> None:
    payload = timelock.change_payload(ARTIFACT, "approve_dairy", bytes_of(NOBODY))
    mint.module.queue_change(payload)
    set_time(now_seconds() + DELAY_SECONDS)

    with boa.reverts("regulation: caller is not the regulator"):
        mint.module.execute_change(payload)


def test_a_change_of_standards_holds_for_the_next_batch(mint: Mint) -> None:
    change(mint.module, ARTIFACT, "set_standards", [(75_000, 20_000)])

    with boa.reverts("pasteurisation: batch is not pasteurised"):
        mint.attest()
    mint.attest(temperature_milli_celsius=75_000, holding_milliseconds=20_000)
    assert mint.module.standards() == [(75_000, 20_000)]


@pytest.mark.parametrize(
    ("standards", "reason"),
    [
        ([], "no standard"),
        ([(59_999, 1)], "standard is too cold"),
        ([(160_001, 1)], "standard is too hot"),
        ([(72_000, 0)], "standard holds for no time"),
    ],
)
def test_a_standard_that_pasteurises_nothing_is_refused(
    mint: Mint, standards: list[tuple[int, int]], reason: str
) -> None:
    with boa.reverts(f"pasteurisation: {reason}"):
        change(mint.module, ARTIFACT, "set_standards", standards)


@pytest.mark.parametrize("seconds", [0, 30 * 86_400 + 1])
def test_a_maximum_age_out_of_range_is_refused(mint: Mint, seconds: int) -> None:
    with boa.reverts("minting_module: maximum age is out of range"):
        change(mint.module, ARTIFACT, "set_limits", seconds, 1)


def test_the_zero_address_cannot_become_regulator(mint: Mint) -> None:
    with boa.reverts("regulation: regulator is the zero address"):
        change(mint.module, ARTIFACT, "set_regulator", bytes(20))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"delay_seconds": 59}, "timelock: delay is too short"),
        ({"delay_seconds": 30 * 86_400 + 1}, "timelock: delay is too long"),
        ({"subsidy_token": b"\x01" * 20}, "payout_pool: token is not a contract"),
        ({"bill": b"\x01" * 20}, "recall_debt: bill is not a contract"),
        ({"standards": (Standard(1, 1),)}, "pasteurisation: standard is too cold"),
        ({"regulator": bytes(20)}, "regulation: regulator is the zero address"),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    mint: Mint, changes: dict[str, Any], reason: str
) -> None:
    good = mint_terms(bill=mint.bill, subsidy_token=mint.ringgit, regulator=mint.regulator)
    terms = replace(good, **changes)

    with pytest.raises(Revert, match=reason):
        deploy(ARTIFACT, minting_module.init_code(terms))


def test_the_quota_is_what_the_regulator_set(mint: Mint) -> None:
    assert mint.module.quota_litres(mint.dairy, YEAR) == QUOTA


def test_bill_cannot_be_the_subsidy_token(mint: Mint) -> None:
    terms = mint_terms(bill=mint.bill, subsidy_token=mint.bill, regulator=mint.regulator)

    with pytest.raises(Revert, match="payout_pool: token is BILL"):
        deploy(ARTIFACT, minting_module.init_code(terms))
