# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Timelock
@custom:contract-name timelock
@license MIT
@notice Makes the owner announce dangerous changes: a change is queued as the very call that it will
        be, waits for the delay that was fixed at deployment, and may then be executed or lapses.
@dev A module. The contract that uses it guards its dangerous setters with `_check_delayed`, which
     only a call that the contract makes to itself passes, and this module is the only place where
     it calls itself. The delay is a property of the code at the contract's own address: a reader
     need not find out who the owner is to know that it holds.
"""

from snekmate.auth import ownable

uses: ownable


event ChangeQueued:
    change_id: indexed(bytes32)
    payload: Bytes[1024]
    ready_at: uint256


event ChangeExecuted:
    change_id: indexed(bytes32)


event ChangeCancelled:
    change_id: indexed(bytes32)


# Less than a minute is no notice at all; more than 30 days would keep a mistake in force too long.
_MIN_DELAY_SECONDS: constant(uint256) = 60
_MAX_DELAY_SECONDS: constant(uint256) = 30 * 86_400
# A change that nobody executed for two weeks after it was ready surprises people when it comes.
GRACE_SECONDS: public(constant(uint256)) = 14 * 86_400

DELAY_SECONDS: public(immutable(uint256))
change_ready_at: public(HashMap[bytes32, uint256])


@deploy
def __init__(delay_seconds: uint256):
    """
    @notice Fixes the delay for good.
    @param delay_seconds Between one minute and 30 days.
    """
    assert delay_seconds >= _MIN_DELAY_SECONDS, "timelock: delay is too short"
    assert delay_seconds <= _MAX_DELAY_SECONDS, "timelock: delay is too long"
    DELAY_SECONDS = delay_seconds


@external
def queue_change(payload: Bytes[1024]) -> bytes32:
    """
    @notice Announces a change; only the owner may call.
    @param payload The call data of a setter of this contract.
    @return bytes32 The change's id, keccak256 of the payload.
    """
    ownable._check_owner()
    change_id: bytes32 = keccak256(payload)
    queued: uint256 = self.change_ready_at[change_id]
    assert queued == 0 or self._lapsed(queued), "timelock: change is queued already"
    ready_at: uint256 = block.timestamp + DELAY_SECONDS
    self.change_ready_at[change_id] = ready_at
    log ChangeQueued(change_id=change_id, payload=payload, ready_at=ready_at)
    return change_id


@external
def execute_change(payload: Bytes[1024]):
    """
    @notice Makes a change whose delay has passed, once; only the owner may call.
    @param payload The call data as it was queued.
    """
    ownable._check_owner()
    change_id: bytes32 = keccak256(payload)
    ready_at: uint256 = self.change_ready_at[change_id]
    assert ready_at != 0, "timelock: change is not queued"
    assert block.timestamp >= ready_at, "timelock: change is not ready"
    assert not self._lapsed(ready_at), "timelock: change has lapsed"
    self.change_ready_at[change_id] = 0
    raw_call(self, payload)
    log ChangeExecuted(change_id=change_id)


@external
def cancel_change(change_id: bytes32):
    """
    @notice Takes a queued change back; only the owner may call.
    @param change_id What `queue_change` returned.
    """
    ownable._check_owner()
    assert self.change_ready_at[change_id] != 0, "timelock: change is not queued"
    self.change_ready_at[change_id] = 0
    log ChangeCancelled(change_id=change_id)


@internal
@view
def _lapsed(ready_at: uint256) -> bool:
    return block.timestamp > ready_at + GRACE_SECONDS


@internal
@view
def _check_delayed():
    assert msg.sender == self, "timelock: only as a queued change"
