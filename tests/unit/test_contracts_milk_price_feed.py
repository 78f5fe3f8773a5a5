"""The all-milk price: what reporters, quorums, windows and the breaker make of it."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from eth.exceptions import Revert

from contracts import milk_price_feed, rehearsal
from contracts.milk_price_feed import Policy, Round
from contracts.rehearsal import deploy, now_seconds
from contracts.rehearsal_economy import DELAY_SECONDS, START_SECONDS, bytes_of, change, set_time
from contracts.rehearsal_standing_orders import MYR, POLICY, Feed, deploy_feed

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

ARTIFACT = milk_price_feed.artifact()
NOBODY = "0x" + "0e" * 20
ZERO = "0x" + "00" * 20


@pytest.fixture
def feed() -> Iterator[Feed]:
    with rehearsal.fresh_state():
        yield deploy_feed()


def latest(feed: Feed) -> Round:
    return Round(*feed.contract.latestRoundData())


def close(feed: Feed) -> None:
    set_time(now_seconds() + POLICY.window_seconds)
    feed.contract.close_round(sender=NOBODY)


def event_names(feed: Feed) -> list[str]:
    return [type(log).__name__ for log in feed.contract.get_logs()]


def test_it_reads_as_any_chainlink_feed(feed: Feed) -> None:
    feed.publish(3 * MYR)

    assert feed.contract.decimals() == 8
    assert feed.contract.version() == 1
    assert feed.contract.description() == "All-milk price, MYR per litre"
    assert feed.contract.latestRoundData() == feed.contract.getRoundData(1)
    assert latest(feed) == (1, 3 * MYR, START_SECONDS, START_SECONDS, 1)
    outputs = {
        entry["name"]: [field["type"] for field in entry["outputs"]]
        for entry in ARTIFACT.abi
        if entry["type"] == "function"
    }
    assert outputs["latestRoundData"] == outputs["getRoundData"]
    assert outputs["latestRoundData"] == ["uint80", "int256", "uint256", "uint256", "uint80"]


def test_without_a_round_there_is_no_answer(feed: Feed) -> None:
    with boa.reverts("milk_price_feed: no such round"):
        feed.contract.latestRoundData()
    with boa.reverts("milk_price_feed: no such round"):
        feed.contract.getRoundData(1)
    assert feed.contract.is_stale() is True


@pytest.mark.parametrize(
    ("prices", "median"),
    [
        ((300, 310, 320, 330, 340), 320),
        ((340, 300, 330, 310, 320), 320),
        ((1, 1, 320, 10**14, 10**14), 320),
        ((7, 7, 7, 7, 7), 7),
    ],
)
def test_the_price_is_the_median_in_whatever_order_it_is_reported(
    feed: Feed, prices: tuple[int, ...], median: int
) -> None:
    feed.report(*prices)

    assert latest(feed).price == median


def test_an_even_number_of_reports_is_split_in_the_middle(feed: Feed) -> None:
    feed.report(300, 311, 320, 100)
    close(feed)

    assert latest(feed).price == 305


def test_a_round_closes_by_itself_when_all_have_reported(feed: Feed) -> None:
    feed.report(300, 310, 320, 330)
    assert feed.contract.latest_round() == 0

    feed.contract.report(340, sender=feed.reporters[4])
    assert feed.contract.latest_round() == 1
    assert feed.contract.opened_at() == 0


def test_a_round_with_a_quorum_closes_when_its_window_has_passed(feed: Feed) -> None:
    feed.report(300, 310, 320)
    with boa.reverts("milk_price_feed: window is open"):
        feed.contract.close_round()
    close(feed)

    assert latest(feed)[1:4] == (310, START_SECONDS, START_SECONDS + POLICY.window_seconds)
    with boa.reverts("milk_price_feed: no round is open"):
        feed.contract.close_round()


def test_a_round_closed_late_is_as_old_as_its_reports(feed: Feed) -> None:
    feed.report(300, 310, 320)
    set_time(START_SECONDS + 30 * 86_400)
    feed.contract.close_round()

    assert latest(feed).updated_at_seconds == START_SECONDS + POLICY.window_seconds
    assert feed.contract.is_stale() is True


def test_a_round_below_its_quorum_is_dropped(feed: Feed) -> None:
    feed.report(300, 310)
    close(feed)

    assert event_names(feed) == ["RoundDropped"]
    assert feed.contract.latest_round() == 0


def test_a_report_after_the_window_counts_for_the_next_round(feed: Feed) -> None:
    feed.report(300, 310, 320)
    set_time(now_seconds() + POLICY.window_seconds)
    feed.contract.report(900, sender=feed.reporters[3])

    assert latest(feed).price == 310
    assert feed.contract.attempt() == 2


def test_a_reporter_reports_once_a_round(feed: Feed) -> None:
    feed.report(300)

    with boa.reverts("milk_price_feed: reporter has reported"):
        feed.report(310)


def test_only_a_reporter_reports_and_nothing_absurd(feed: Feed) -> None:
    with boa.reverts("milk_price_feed: caller is not a reporter"):
        feed.contract.report(1)
    with boa.reverts("milk_price_feed: price is zero"):
        feed.report(0)
    with boa.reverts("milk_price_feed: price is implausible"):
        feed.report(10**14 + 1)


def test_what_a_revoked_reporter_said_in_the_open_round_does_not_count(feed: Feed) -> None:
    feed.report(300, 310, 320, 9_000)
    feed.contract.revoke_reporter(feed.reporters[3])
    close(feed)

    assert latest(feed).price == 310
    with boa.reverts("milk_price_feed: caller is not a reporter"):
        feed.contract.report(1, sender=feed.reporters[3])


def test_a_far_price_with_few_reports_is_held_and_the_old_one_stands(feed: Feed) -> None:
    feed.publish(1_000)
    feed.report(1_101, 1_101, 1_101)
    close(feed)

    assert event_names(feed) == ["PriceHeld"]
    assert latest(feed).price == 1_000
    assert feed.contract.held()[0] == 1_101


@pytest.mark.parametrize("price", [900, 1_100])
def test_a_price_of_just_the_deviation_is_published(feed: Feed, price: int) -> None:
    feed.publish(1_000)
    feed.report(price, price, price)
    close(feed)

    assert latest(feed).price == price


def test_a_far_price_with_the_higher_quorum_is_published(feed: Feed) -> None:
    feed.publish(1_000)
    feed.publish(5_000)

    assert latest(feed).price == 5_000


def test_the_owner_confirms_a_held_price_with_the_time_of_its_reports(feed: Feed) -> None:
    feed.publish(1_000)
    feed.report(2_000, 2_000, 2_000)
    close(feed)
    closed_at = now_seconds()
    set_time(closed_at + 500)

    with boa.reverts("ownable: caller is not the owner"):
        feed.contract.confirm_held_price(2, sender=feed.reporters[0])
    with boa.reverts("milk_price_feed: another price is held"):
        feed.contract.confirm_held_price(1)
    feed.contract.confirm_held_price(2)

    assert latest(feed) == (2, 2_000, START_SECONDS, closed_at, 2)
    with boa.reverts("milk_price_feed: no price is held"):
        feed.contract.confirm_held_price(2)


def test_a_published_round_ends_what_was_held(feed: Feed) -> None:
    feed.publish(1_000)
    feed.report(2_000, 2_000, 2_000)
    close(feed)
    feed.publish(1_010)

    with boa.reverts("milk_price_feed: no price is held"):
        feed.contract.confirm_held_price(2)


def test_history_stays_by_round(feed: Feed) -> None:
    feed.publish(1_000)
    set_time(now_seconds() + 60)
    feed.publish(1_010)

    assert feed.contract.getRoundData(1)[1] == 1_000
    assert feed.contract.getRoundData(2)[1:4] == (1_010, START_SECONDS + 60, START_SECONDS + 60)
    with boa.reverts("milk_price_feed: no such round"):
        feed.contract.getRoundData(3)


def test_a_price_is_stale_after_the_policys_age(feed: Feed) -> None:
    feed.publish(1_000)
    set_time(now_seconds() + POLICY.stale_after_seconds)
    assert feed.contract.is_stale() is False

    set_time(now_seconds() + 1)
    assert feed.contract.is_stale() is True


def test_reporters_come_by_timelock_and_go_at_once(feed: Feed) -> None:
    with boa.reverts("timelock: only as a queued change"):
        feed.contract.approve_reporter(NOBODY)
    change(feed.contract, ARTIFACT, "approve_reporter", bytes_of(NOBODY))
    feed.contract.report(5, sender=NOBODY)
    with boa.reverts("price_policy: reporter is approved already"):
        change(feed.contract, ARTIFACT, "approve_reporter", bytes_of(NOBODY))
    with boa.reverts("price_policy: reporter is the zero address"):
        change(feed.contract, ARTIFACT, "approve_reporter", bytes(20))

    feed.contract.revoke_reporter(NOBODY)
    with boa.reverts("price_policy: reporter is not approved"):
        feed.contract.revoke_reporter(NOBODY)
    with boa.reverts("ownable: caller is not the owner"):
        feed.contract.revoke_reporter(feed.reporters[0], sender=NOBODY)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"min_reports": 2}, "quorum is below three"),
        ({"min_reports": 6, "breaker_reports": 7}, "quorum is above the reporters"),
        ({"breaker_reports": 3}, "breaker needs a higher quorum"),
        ({"max_deviation_bps": 0}, "deviation is out of range"),
        ({"max_deviation_bps": 10_001}, "deviation is out of range"),
        ({"window_seconds": 0}, "window is empty"),
        ({"stale_after_seconds": 3_600}, "stale before a round can close"),
    ],
)
def test_a_policy_that_protects_nobody_is_refused(
    feed: Feed, changes: dict[str, Any], reason: str
) -> None:
    policy = POLICY._replace(**changes)

    with boa.reverts(f"price_policy: {reason}"):
        change(feed.contract, ARTIFACT, "set_policy", tuple(policy))


def test_a_policy_is_changed_by_timelock(feed: Feed) -> None:
    policy = Policy(4, 5, 500, 60, 120)
    with boa.reverts("timelock: only as a queued change"):
        feed.contract.set_policy(tuple(policy))
    change(feed.contract, ARTIFACT, "set_policy", tuple(policy))

    assert tuple(feed.contract.policy()) == policy


def test_it_is_not_deployed_with_fewer_reporters_than_its_quorum() -> None:
    code = milk_price_feed.init_code(
        delay_seconds=DELAY_SECONDS, reporters=[b"\x01" * 20, b"\x02" * 20], policy=POLICY
    )

    with rehearsal.fresh_state(), pytest.raises(Revert, match="quorum is above the reporters"):
        deploy(ARTIFACT, code)


def test_thirty_two_reporters_can_report_and_a_thirty_third_is_refused() -> None:
    with rehearsal.fresh_state():
        reporters = [number.to_bytes(20) for number in range(1, 33)]
        code = milk_price_feed.init_code(
            delay_seconds=DELAY_SECONDS, reporters=reporters, policy=POLICY
        )
        contract = deploy(ARTIFACT, code)
        for number, reporter in enumerate(reporters):
            contract.report(1_000 - number, sender=f"0x{reporter.hex()}")

        assert contract.latestRoundData()[1] == (1_000 - 15 + 1_000 - 16) // 2
        with boa.reverts("price_policy: too many reporters"):
            change(contract, ARTIFACT, "approve_reporter", bytes_of(NOBODY))
