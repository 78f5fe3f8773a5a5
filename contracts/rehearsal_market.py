"""The Milk Market Utility on an in-process EVM, beside the mint that its dairies have BILL from."""

from dataclasses import dataclass
from typing import Any

from contracts import milk_market
from contracts.milk_market import SupplierKind
from contracts.rehearsal import contract_address, deploy, now_seconds
from contracts.rehearsal_economy import (
    DELAY_SECONDS,
    LITRE,
    POOL_UNITS,
    Mint,
    bytes_of,
    deploy_mint,
    named,
)
from ledger.units import UINT256_MAX

REVIEW_SECONDS = 7 * 86_400
JUDGEMENT_SECONDS = 30 * 86_400
DELIVERY_SECONDS = 3 * 86_400
OFFER_SECONDS = 10 * 86_400
SETTLEMENT_PER_LITRE = 3 * 10**18
PRICE = 2 * LITRE
QUANTITY = 100
DESCRIPTION_HASH = b"\xde" * 32


@dataclass(frozen=True)
class Market:
    """A market with a feed supplier and a veterinary one, and dairies that may spend BILL there."""

    mint: Mint
    contract: Any
    supplier: str
    veterinary: str

    def offer(self, *, price: int = PRICE, quantity: int = QUANTITY) -> int:
        """List an offer of the feed supplier's."""
        offer_id: int = self.contract.list_offer(
            price,
            quantity,
            DESCRIPTION_HASH,
            now_seconds() + OFFER_SECONDS,
            DELIVERY_SECONDS,
            sender=self.supplier,
        )
        return offer_id

    def buy(self, offer_id: int, quantity: int = 1, *, dairy: str | None = None) -> int:
        """Buy as a dairy, by default the first."""
        purchase_id: int = self.contract.buy(offer_id, quantity, sender=dairy or self.mint.dairy)
        return purchase_id


def market_terms(mint: Mint, *, settlement_token: Any = None) -> milk_market.Terms:
    """What the rehearsal's market is deployed with."""
    token = mint.ringgit if settlement_token is None else settlement_token
    return milk_market.Terms(
        bill=contract_address(mint.bill),
        dairy_register=contract_address(mint.module),
        settlement_token=contract_address(token),
        regulator=bytes_of(mint.regulator),
        delay_seconds=DELAY_SECONDS,
        settlement_per_litre=SETTLEMENT_PER_LITRE,
        review_seconds=REVIEW_SECONDS,
        judgement_seconds=JUDGEMENT_SECONDS,
    )


def deploy_market(mint: Mint | None = None, *, settlement_token: Any = None) -> Market:
    """Deploy a market, fund its pool, approve its suppliers, let the dairies pay there.

    Args:
        mint: The mint beside it; a new one if missing.
        settlement_token: Another one than the mint's; the pool is then left empty.
    """
    mint = mint or deploy_mint()
    terms = market_terms(mint, settlement_token=settlement_token)
    contract = deploy(milk_market.artifact(), milk_market.init_code(terms))
    stage = Market(
        mint=mint,
        contract=contract,
        supplier=named("supplier"),
        veterinary=named("veterinary"),
    )
    contract.approve_supplier(stage.supplier, SupplierKind.FEED, sender=mint.regulator)
    contract.approve_supplier(stage.veterinary, SupplierKind.VETERINARY, sender=mint.regulator)
    for dairy in (mint.dairy, mint.other_dairy):
        mint.bill.approve(contract.address, UINT256_MAX, sender=dairy)
    if settlement_token is None:
        mint.ringgit.mint(contract.address, POOL_UNITS)
    return stage
