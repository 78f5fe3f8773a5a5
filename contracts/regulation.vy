# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Regulation
@custom:contract-name regulation
@license MIT
@notice The one account that approves, revokes, recalls and judges. It is appointed by the owner
        behind a timelock, so that nobody becomes the regulator overnight.
@dev A module.
"""

from . import timelock


event RegulatorChanged:
    previous: indexed(address)
    current: indexed(address)


regulator: public(address)


@deploy
def __init__(regulator: address):
    """
    @notice Appoints the first regulator.
    @param regulator Not the zero address; best a contract that needs several signers.
    """
    self._appoint(regulator)


@external
def set_regulator(regulator: address):
    """
    @notice Appoints another regulator; only as a queued change.
    @param regulator Not the zero address.
    """
    timelock._check_delayed()
    self._appoint(regulator)


@internal
def _appoint(regulator: address):
    assert regulator != empty(address), "regulation: regulator is the zero address"
    log RegulatorChanged(previous=self.regulator, current=regulator)
    self.regulator = regulator


@internal
@view
def _check_regulator():
    assert msg.sender == self.regulator, "regulation: caller is not the regulator"
