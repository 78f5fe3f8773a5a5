"""The people of a devnet: each has a wallet, coin for gas, and those who spend it BILL."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from contracts.signing import LocalAccount
from devnet.dev_accounts import (
    DAIRY_INDEX,
    DEPLOYER_INDEX,
    SENSOR_INDEXES,
    SUPPLIER_INDEX,
    TREASURY_INDEX,
    dev_account,
)
from devnet.faucet import give
from devnet.keystore import list_wallets, save_wallet
from devnet.manifest import Manifest
from devnet.node import open_node
from devnet.student import STUDENT, STUDENT_PASSWORD
from devnet.transactions import address_of
from ledger.payment_uri import format_address
from ledger.units import parse_bill

# The places of the usual derivation path that nobody else of the devnet has.
STUDENT_INDEX = 12
_GAS_WEI = 10**18


@dataclass(frozen=True)
class Person:
    """One part: the wallet's name, the account, how much BILL it begins with."""

    name: str
    account_index: int
    bill: str = "0"
    has_coin: bool = False
    """Whether the chain itself made the account rich."""

    @property
    def account(self) -> LocalAccount:
        """The key, which everybody knows."""
        return dev_account(self.account_index)

    @property
    def variable(self) -> str:
        """The name under which the address is told."""
        return f"BILLCOIN_DEVNET_{self.name.upper()}_ADDRESS"


PEOPLE = (
    Person(STUDENT, STUDENT_INDEX, "100"),
    Person("merchant", TREASURY_INDEX, has_coin=True),
    Person("dairy", DAIRY_INDEX, "100", has_coin=True),
    Person("sensor", SENSOR_INDEXES[0]),
    Person("supplier", SUPPLIER_INDEX, has_coin=True),
)
PASSWORD = STUDENT_PASSWORD


def addresses() -> dict[str, str]:
    """Everybody's address, by the name of its variable."""
    return {person.variable: format_address(address_of(person.account)) for person in PEOPLE}


async def equip(manifest: Manifest, *, home: Path) -> None:
    """Save the wallets that are not there yet and hand out coin and BILL."""
    there = {wallet.name for wallet in list_wallets(home)}
    for person in PEOPLE:
        if person.name not in there:
            await asyncio.to_thread(save_wallet, home, person.name, person.account, PASSWORD)
    minter = dev_account(DEPLOYER_INDEX)
    async with open_node(manifest.node_http_url) as node:
        # One after the other: all are sent by the minter, whose transactions have an order.
        for person in PEOPLE:
            await give(
                node,
                minter,
                address_of(person.account),
                deployment=manifest.deployment,
                units=parse_bill(person.bill),
                gas_wei=0 if person.has_coin else _GAS_WEI,
            )
