"""Which chain and contracts a ledger is about."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deployment:
    """The chain id and the 20-byte addresses that a ledger follows; they never change."""

    chain_id: int
    token: bytes
    vault_factory: bytes
    vault_implementation: bytes
    treasury: bytes


@dataclass(frozen=True, slots=True)
class Economy:
    """The 20-byte addresses of the milk economy's contracts beside a deployment."""

    minting_module: bytes
    milk_market: bytes
    milk_price_feed: bytes
    standing_orders: bytes
