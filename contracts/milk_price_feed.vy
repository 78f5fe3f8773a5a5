# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title All-milk price feed
@custom:contract-name milk_price_feed
@license MIT
@notice The all-milk price in ringgit per litre with 8 decimals, read as any Chainlink feed
        (AggregatorV3Interface). Each round's price is the median of what approved reporters say, so
        that none of them can move it alone.
@dev A round is open while reports come in. It closes when every approved reporter has reported, or
     when its window has passed and somebody calls `close_round`. A round with too few reports is
     dropped. A price that moved too far with too few reports is held until the owner confirms it or
     a later round closes; rounds go on meanwhile. Only published rounds have a number.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from . import price_policy
from . import timelock

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: timelock[ownable := ownable]
initializes: price_policy[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    ownable_2step.renounce_ownership,
    timelock.__interface__,
    price_policy.__interface__,
)


struct Report:
    reporter: address
    price: uint256


struct Round:
    price: uint256
    started_at: uint256
    updated_at: uint256


event PriceReported:
    reporter: indexed(address)
    attempt: indexed(uint256)
    price: uint256


event RoundDropped:
    attempt: indexed(uint256)
    reports: uint256


event PriceHeld:
    attempt: indexed(uint256)
    price: uint256
    reports: uint256


event HeldPriceConfirmed:
    attempt: indexed(uint256)


# The event that readers of Chainlink feeds know.
event AnswerUpdated:
    current: indexed(int256)
    roundId: indexed(uint256)
    updatedAt: uint256


decimals: public(constant(uint8)) = 8
description: public(constant(String[32])) = "All-milk price, MYR per litre"
version: public(constant(uint256)) = 1

# A million ringgit a litre is a slipped decimal point, and keeps every product far from overflow.
_MAX_PRICE: constant(uint256) = 10**14

latest_round: public(uint80)
_rounds: HashMap[uint80, Round]

# The open round: counted by attempts, because dropped and held ones get no number.
attempt: public(uint256)
opened_at: public(uint256)
_reports: DynArray[Report, 32]
_last_attempt: HashMap[address, uint256]

held: public(Round)
held_attempt: public(uint256)


@deploy
def __init__(
    delay_seconds: uint256, reporters: DynArray[address, 32], policy: price_policy.Policy
):
    """
    @notice Makes the deployer owner.
    @param delay_seconds How long dangerous changes are announced before they can be made.
    @param reporters The first approved reporters.
    @param policy Quorums, deviation, window and staleness.
    """
    ownable.__init__()
    ownable_2step.__init__()
    timelock.__init__(delay_seconds)
    price_policy.__init__(reporters, policy)


@external
def report(price: uint256):
    """
    @notice Says what milk costs; only an approved reporter may call, once a round.
    @dev Closes the open round first if its window has passed, so that late reports count for the next.
    @param price Ringgit per litre with 8 decimals.
    """
    assert price_policy.is_reporter[msg.sender], "milk_price_feed: caller is not a reporter"
    assert price > 0, "milk_price_feed: price is zero"
    assert price <= _MAX_PRICE, "milk_price_feed: price is implausible"
    if self._window_has_passed():
        self._close()
    if self.opened_at == 0:
        self.opened_at = block.timestamp
        self.attempt += 1
    assert self._last_attempt[msg.sender] != self.attempt, "milk_price_feed: reporter has reported"
    self._last_attempt[msg.sender] = self.attempt
    self._reports.append(Report(reporter=msg.sender, price=price))
    log PriceReported(reporter=msg.sender, attempt=self.attempt, price=price)
    if len(self._reports) >= price_policy.reporter_count:
        self._close()


@external
def close_round():
    """
    @notice Closes the open round once its window has passed; anyone may call.
    """
    assert self.opened_at != 0, "milk_price_feed: no round is open"
    assert self._window_has_passed(), "milk_price_feed: window is open"
    self._close()


@external
def confirm_held_price(attempt: uint256):
    """
    @notice Publishes the held price with the time of its reports; only the owner may call.
    @param attempt The round that the owner looked at, so that another one is not confirmed instead.
    """
    ownable._check_owner()
    assert self.held.price != 0, "milk_price_feed: no price is held"
    assert self.held_attempt == attempt, "milk_price_feed: another price is held"
    log HeldPriceConfirmed(attempt=attempt)
    self._publish(self.held)


@external
@view
def is_stale() -> bool:
    """
    @notice Whether the latest price is missing or older than the policy allows.
    @return bool True when no price should be taken from here.
    """
    updated_at: uint256 = self._rounds[self.latest_round].updated_at
    return block.timestamp - updated_at > price_policy.policy.stale_after_seconds


@external
@view
def getRoundData(_roundId: uint80) -> (uint80, int256, uint256, uint256, uint80):
    """
    @notice A published round (AggregatorV3Interface).
    @param _roundId From 1 on.
    @return uint80 The round's number.
    @return int256 The price with 8 decimals.
    @return uint256 When its first report came, Unix time.
    @return uint256 When its last reports came, Unix time.
    @return uint80 The round's number again.
    """
    return self._round_data(_roundId)


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    """
    @notice The latest published round (AggregatorV3Interface), however old: compare its fourth value.
    @return uint80 The round's number.
    @return int256 The price with 8 decimals.
    @return uint256 When its first report came, Unix time.
    @return uint256 When its last reports came, Unix time.
    @return uint80 The round's number again.
    """
    return self._round_data(self.latest_round)


@internal
@view
def _round_data(round_id: uint80) -> (uint80, int256, uint256, uint256, uint80):
    found: Round = self._rounds[round_id]
    assert found.updated_at != 0, "milk_price_feed: no such round"
    return round_id, convert(found.price, int256), found.started_at, found.updated_at, round_id


@internal
@view
def _window_has_passed() -> bool:
    return self.opened_at != 0 and block.timestamp >= self.opened_at + price_policy.policy.window_seconds


@internal
def _close():
    # A reporter who lost its approval while the round was open does not count any more.
    prices: DynArray[uint256, 32] = []
    for said: Report in self._reports:
        if price_policy.is_reporter[said.reporter]:
            prices.append(said.price)
    # However late somebody closes the round, its reports are no younger than its window.
    updated_at: uint256 = min(block.timestamp, self.opened_at + price_policy.policy.window_seconds)
    candidate: Round = Round(price=0, started_at=self.opened_at, updated_at=updated_at)
    self._reports = []
    self.opened_at = 0
    reports: uint256 = len(prices)
    if reports < price_policy.policy.min_reports:
        log RoundDropped(attempt=self.attempt, reports=reports)
        return
    candidate.price = self._median(prices)
    last: uint256 = self._rounds[self.latest_round].price
    if reports < price_policy.policy.breaker_reports and price_policy._is_far(candidate.price, last):
        self.held = candidate
        self.held_attempt = self.attempt
        log PriceHeld(attempt=self.attempt, price=candidate.price, reports=reports)
    else:
        self._publish(candidate)


@internal
def _publish(candidate: Round):
    # A published price ends what was held: to confirm it afterwards would go back in time.
    self.held = empty(Round)
    self.latest_round += 1
    self._rounds[self.latest_round] = candidate
    log AnswerUpdated(
        current=convert(candidate.price, int256),
        roundId=convert(self.latest_round, uint256),
        updatedAt=candidate.updated_at,
    )


@internal
@pure
def _median(prices: DynArray[uint256, 32]) -> uint256:
    # Insertion sort: at most 32 values, mostly near one another.
    ordered: DynArray[uint256, 32] = prices
    for i: uint256 in range(1, len(ordered), bound=32):
        price: uint256 = ordered[i]
        at: uint256 = i
        for _: uint256 in range(32):
            if at == 0 or ordered[at - 1] <= price:
                break
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = price
    middle: uint256 = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) // 2
