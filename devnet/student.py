"""The demo's payer: a wallet with some BILL, and some coin for gas."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from contracts.signing import LocalAccount
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account
from devnet.faucet import give
from devnet.keystore import save_wallet
from devnet.manifest import Manifest
from devnet.node import open_node
from devnet.transactions import address_of
from ledger.units import parse_bill

STUDENT = "student"
# The money is worth nothing, and the person at the demo shall be able to use the wallet.
STUDENT_PASSWORD = "milk"  # noqa: S105
STUDENT_BILL = "10"
STUDENT_GAS_WEI = 10**18


async def equip_student(
    student: LocalAccount, manifest: Manifest, *, home: Path, say: Callable[[str], None]
) -> None:
    """Save the wallet and fill it, at the same time, for each takes a second."""
    async with open_node(manifest.node_http_url) as node:
        await asyncio.gather(
            asyncio.to_thread(save_wallet, home, STUDENT, student, STUDENT_PASSWORD),
            give(
                node,
                dev_account(DEPLOYER_INDEX),
                address_of(student),
                deployment=manifest.deployment,
                units=parse_bill(STUDENT_BILL),
                gas_wei=STUDENT_GAS_WEI,
            ),
        )
    say(f"a student has a wallet with {STUDENT_BILL} BILL")
