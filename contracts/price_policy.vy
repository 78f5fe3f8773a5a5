# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Price policy
@custom:contract-name price_policy
@license MIT
@notice Who reports prices, how many must, and when a price is too far or too old.
@dev A module. What could let few make a price (a new reporter, another policy) is a queued change;
     what only takes power away (revoking a reporter) happens at once.
"""

from snekmate.auth import ownable
from . import timelock

uses: ownable


struct Policy:
    min_reports: uint256
    breaker_reports: uint256
    max_deviation_bps: uint256
    window_seconds: uint256
    stale_after_seconds: uint256


event ReporterApproved:
    reporter: indexed(address)


event ReporterRevoked:
    reporter: indexed(address)


event PolicySet:
    policy: Policy


_MAX_REPORTERS: constant(uint256) = 32
_BPS: constant(uint256) = 10_000

is_reporter: public(HashMap[address, bool])
reporter_count: public(uint256)
policy: public(Policy)


@deploy
def __init__(reporters: DynArray[address, 32], policy: Policy):
    """
    @notice Sets the first reporters and policy.
    @param reporters At least as many as the policy's quorum.
    @param policy Quorums, deviation, window and staleness.
    """
    for reporter: address in reporters:
        self._approve(reporter)
    self._set_policy(policy)


@external
def approve_reporter(reporter: address):
    """
    @notice Lets an account report prices; only as a queued change.
    @param reporter Not the zero address.
    """
    timelock._check_delayed()
    self._approve(reporter)


@external
def revoke_reporter(reporter: address):
    """
    @notice Ends a reporter's approval at once, also for the open round; only the owner may call.
    @param reporter An approved reporter.
    """
    ownable._check_owner()
    assert self.is_reporter[reporter], "price_policy: reporter is not approved"
    self.is_reporter[reporter] = False
    self.reporter_count -= 1
    log ReporterRevoked(reporter=reporter)


@external
def set_policy(policy: Policy):
    """
    @notice Sets quorums, deviation, window and staleness; only as a queued change.
    @param policy `min_reports` close a round, `breaker_reports` publish a price that moved more than
           `max_deviation_bps` hundredths of a percent, reports come within `window_seconds`, a price
           is stale after `stale_after_seconds`.
    """
    timelock._check_delayed()
    self._set_policy(policy)


@internal
def _approve(reporter: address):
    assert reporter != empty(address), "price_policy: reporter is the zero address"
    assert not self.is_reporter[reporter], "price_policy: reporter is approved already"
    assert self.reporter_count < _MAX_REPORTERS, "price_policy: too many reporters"
    self.is_reporter[reporter] = True
    self.reporter_count += 1
    log ReporterApproved(reporter=reporter)


@internal
def _set_policy(policy: Policy):
    # With fewer than three reports the median is one reporter's word.
    assert policy.min_reports >= 3, "price_policy: quorum is below three"
    assert policy.min_reports <= self.reporter_count, "price_policy: quorum is above the reporters"
    assert policy.breaker_reports > policy.min_reports, "price_policy: breaker needs a higher quorum"
    assert policy.max_deviation_bps > 0 and policy.max_deviation_bps <= _BPS, "price_policy: deviation is out of range"
    assert policy.window_seconds > 0, "price_policy: window is empty"
    assert policy.stale_after_seconds > policy.window_seconds, "price_policy: stale before a round can close"
    self.policy = policy
    log PolicySet(policy=policy)


@internal
@view
def _is_far(price: uint256, last: uint256) -> bool:
    # The first price ever has nothing to be far from.
    moved: uint256 = max(price, last) - min(price, last)
    return last != 0 and moved * _BPS > last * self.policy.max_deviation_bps
