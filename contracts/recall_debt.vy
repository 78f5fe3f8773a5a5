# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Recall debt
@custom:contract-name recall_debt
@license MIT
@notice What dairies owe for recalled batches: litres, made good by burning BILL or by new milk, and
        subsidy, made good out of later subsidies.
@dev A module. BILL of a recalled batch may be anybody's by now and cannot be told from other BILL, so
     it stays with its holders, and the dairy that sold it makes it good.
"""

from . import payout_pool

uses: payout_pool


interface IBill:
    def mint(owner: address, amount: uint256): nonpayable
    def burn(amount: uint256): nonpayable
    def burn_from(owner: address, amount: uint256): nonpayable


event RecallSettled:
    dairy: indexed(address)
    settler: indexed(address)
    litres: uint256


BILL: public(immutable(address))
recalled_total: public(uint256)
recall_settled_total: public(uint256)
recall_debt_litres: public(HashMap[address, uint256])
subsidy_debt: public(HashMap[address, uint256])


@deploy
def __init__(bill: address):
    """
    @notice Fixes the token that is minted and burned.
    @param bill BILL's contract.
    """
    assert bill.is_contract, "recall_debt: bill is not a contract"
    BILL = bill


@external
@nonreentrant
def settle_recall(dairy: address, litres: uint256):
    """
    @notice Burns the caller's BILL, on its allowance, against what a dairy owes for recalled batches.
    @param dairy The dairy that owes.
    @param litres With 18 decimals, up to `recall_debt_litres(dairy)`.
    """
    assert litres <= self.recall_debt_litres[dairy], "recall_debt: more than is owed"
    self._settle(dairy, litres)
    extcall IBill(BILL).burn_from(msg.sender, litres)


@internal
def _owe(dairy: address, litres: uint256, subsidy: uint256):
    self.recalled_total += litres
    self.recall_debt_litres[dairy] += litres
    # What is still owed is simply not paid any more; what was paid comes off later subsidies.
    unpaid: uint256 = min(subsidy, payout_pool.payout_owed[dairy])
    payout_pool._forgive(dairy, unpaid)
    self.subsidy_debt[dairy] += subsidy - unpaid


@internal
def _mint(dairy: address, litres: uint256):
    withheld: uint256 = min(litres, self.recall_debt_litres[dairy])
    if withheld > 0:
        # Minted and burned at once, so that the token's own `Transfer` log always shows both what was
        # attested and what was taken back.
        self._settle(dairy, withheld)
        extcall IBill(BILL).mint(self, withheld)
        extcall IBill(BILL).burn(withheld)
    if litres > withheld:
        extcall IBill(BILL).mint(dairy, litres - withheld)


@internal
def _pay_subsidy(dairy: address, batch_id: bytes32, subsidy: uint256):
    repaid: uint256 = min(subsidy, self.subsidy_debt[dairy])
    self.subsidy_debt[dairy] -= repaid
    payout_pool._pay_or_owe(dairy, batch_id, subsidy - repaid)


@internal
def _settle(dairy: address, litres: uint256):
    self.recall_debt_litres[dairy] -= litres
    self.recall_settled_total += litres
    log RecallSettled(dairy=dairy, settler=msg.sender, litres=litres)
