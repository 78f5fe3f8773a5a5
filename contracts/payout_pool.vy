# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Payout pool
@custom:contract-name payout_pool
@license MIT
@notice Money, in an ERC-20 that is not BILL, out of which a payee receives an amount per litre in the
        very transaction that earns it: the subsidy of a batch, or a supplier's settlement. What the
        pool cannot pay is owed and can be claimed once it can.
@dev A module. A payout must never undo what earned it: milk that is attested stays attested when the
     programme's money is late. So a token that fails, refuses, lies or burns its gas leaves a debt
     and no revert.
"""

from ethereum.ercs import IERC20
from . import regulation

uses: regulation


event PayoutsFunded:
    funder: indexed(address)
    amount: uint256


event PayoutPaid:
    payee: indexed(address)
    cause: indexed(bytes32)
    amount: uint256


event PayoutOwed:
    payee: indexed(address)
    cause: indexed(bytes32)
    amount: uint256


event PayoutRateSet:
    per_litre: uint256


event SurplusWithdrawn:
    to: indexed(address)
    amount: uint256


_LITRE: constant(uint256) = 10**18
# Several times what known tokens take. Whoever sends a transaction with too little gas for the token
# has too little left to record the debt: the transaction fails as a whole, and nothing is lost.
_TRANSFER_GAS: constant(uint256) = 300_000
# Keeps litres times rate inside 256 bits: 10**9 whole tokens of 18 decimals.
_MAX_PER_LITRE: constant(uint256) = 10**27

PAYOUT_TOKEN: public(immutable(address))
payout_per_litre: public(uint256)
payout_owed: public(HashMap[address, uint256])
payout_owed_total: public(uint256)


@deploy
def __init__(token: address, bill: address, per_litre: uint256):
    """
    @notice Fixes the token for good: what is owed cannot be turned into something else.
    @param token An ERC-20 contract.
    @param bill BILL's contract, which the token must not be: holders' BILL and the programme's money
           stay apart.
    @param per_litre The first rate, in base units of the token per litre.
    """
    assert token.is_contract, "payout_pool: token is not a contract"
    assert token != bill, "payout_pool: token is BILL"
    PAYOUT_TOKEN = token
    self._set_rate(per_litre)


@external
@nonreentrant
def fund_payouts(amount: uint256):
    """
    @notice Puts the caller's money into the pool, on its allowance; anyone may fund.
    @dev A plain transfer of the token to this contract does the same without the event.
    @param amount Base units of the token.
    """
    assert extcall IERC20(PAYOUT_TOKEN).transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "payout_pool: token refused the transfer"
    log PayoutsFunded(funder=msg.sender, amount=amount)


@external
@nonreentrant
def claim_payout(payee: address, amount: uint256):
    """
    @notice Pays what is owed, in part or in whole; anyone may call, only the payee receives.
    @param payee Who is owed.
    @param amount Base units of the token, up to `payout_owed(payee)`.
    """
    assert amount <= self.payout_owed[payee], "payout_pool: more than is owed"
    self._forgive(payee, amount)
    assert self._transfer(payee, amount), "payout_pool: token refused the transfer"
    log PayoutPaid(payee=payee, cause=empty(bytes32), amount=amount)


@external
@nonreentrant
def withdraw_surplus(to: address, amount: uint256):
    """
    @notice Takes back money that nobody is owed; only the regulator may call.
    @param to Who receives it.
    @param amount Base units of the token.
    """
    regulation._check_regulator()
    balance: uint256 = staticcall IERC20(PAYOUT_TOKEN).balanceOf(self)
    assert balance >= self.payout_owed_total + amount, "payout_pool: amount is owed to payees"
    assert self._transfer(to, amount), "payout_pool: token refused the transfer"
    log SurplusWithdrawn(to=to, amount=amount)


@external
def set_payout_per_litre(per_litre: uint256):
    """
    @notice Sets the rate for what is earned from now on; only the regulator may call.
    @param per_litre Base units of the token per litre; zero pays nothing.
    """
    regulation._check_regulator()
    self._set_rate(per_litre)


@internal
def _set_rate(per_litre: uint256):
    assert per_litre <= _MAX_PER_LITRE, "payout_pool: rate is too high"
    self.payout_per_litre = per_litre
    log PayoutRateSet(per_litre=per_litre)


@internal
@pure
def _amount(units: uint256, per_litre: uint256) -> uint256:
    return units * per_litre // _LITRE


@internal
def _pay_or_owe(payee: address, cause: bytes32, amount: uint256):
    if amount == 0:
        return
    # Owed first: a token that calls back sees the debt, never a payout that is in neither state.
    self.payout_owed[payee] += amount
    self.payout_owed_total += amount
    if self._transfer(payee, amount):
        self._forgive(payee, amount)
        log PayoutPaid(payee=payee, cause=cause, amount=amount)
    else:
        log PayoutOwed(payee=payee, cause=cause, amount=amount)


@internal
def _forgive(payee: address, amount: uint256):
    self.payout_owed[payee] -= amount
    self.payout_owed_total -= amount


@internal
def _transfer(to: address, amount: uint256) -> bool:
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        PAYOUT_TOKEN,
        abi_encode(to, amount, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32,
        gas=_TRANSFER_GAS,
        revert_on_failure=False,
    )
    # Tokens that return nothing on success are taken at their word; anything but `true` is a refusal.
    return success and (len(answer) == 0 or (len(answer) == 32 and convert(answer, uint256) == 1))
