# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Price source
@custom:contract-name price_source
@license MIT
@notice Which feed the all-milk price is read from, and how old its price may be.
@dev A module. Another feed is a queued change. A feed that fails, lies in its shape, answers from the
     future or too late gives no price, and no revert.
"""

from . import timelock


interface IAggregatorV3:
    def decimals() -> uint8: view


event FeedSet:
    feed: indexed(address)
    max_price_age_seconds: uint256


_DECIMALS: constant(uint8) = 8
_MAX_AGE_SECONDS: constant(uint256) = 30 * 86_400
_ANSWER_BYTES: constant(uint256) = 160
_READ_GAS: constant(uint256) = 300_000
# As `milk_price_feed` has it: a million ringgit.
_MAX_PRICE: constant(int256) = 10**14

feed: public(address)
max_price_age_seconds: public(uint256)


@deploy
def __init__(feed: address, max_price_age_seconds: uint256):
    """
    @notice Sets the first feed.
    @param feed AggregatorV3Interface with 8 decimals.
    @param max_price_age_seconds How old its price may be; up to 30 days.
    """
    self._set_feed(feed, max_price_age_seconds)


@external
def set_feed(feed: address, max_price_age_seconds: uint256):
    """
    @notice Sets another feed or age; only as a queued change.
    @param feed AggregatorV3Interface with 8 decimals.
    @param max_price_age_seconds How old its price may be; up to 30 days.
    """
    timelock._check_delayed()
    self._set_feed(feed, max_price_age_seconds)


@internal
def _set_feed(feed: address, max_price_age_seconds: uint256):
    assert feed.is_contract, "price_source: feed is not a contract"
    assert staticcall IAggregatorV3(feed).decimals() == _DECIMALS, "price_source: feed has not 8 decimals"
    assert max_price_age_seconds > 0 and max_price_age_seconds <= _MAX_AGE_SECONDS, "price_source: maximum age is out of range"
    self.feed = feed
    self.max_price_age_seconds = max_price_age_seconds
    log FeedSet(feed=feed, max_price_age_seconds=max_price_age_seconds)


@internal
@view
def _fresh_price() -> uint256:
    success: bool = False
    answer: Bytes[160] = b""
    success, answer = raw_call(
        self.feed,
        method_id("latestRoundData()"),
        max_outsize=160,
        gas=_READ_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) != _ANSWER_BYTES:
        return 0
    # Plain words: a field too wide for its type must not revert here either.
    words: uint256[5] = abi_decode(answer, uint256[5])
    price: int256 = convert(slice(answer, 32, 32), int256)
    updated_at: uint256 = words[3]
    if price <= 0 or price > _MAX_PRICE or updated_at > block.timestamp:
        return 0
    if block.timestamp - updated_at > self.max_price_age_seconds:
        return 0
    return convert(price, uint256)
