"""What `make demo` runs, in this process, for tests that use it as a partner does."""

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account
from market import Market, indexing, open_market
from oracle_support import Client, served, settings_for, until_journal_is_read

from devnet.accounts import API_KEY_VARIABLE, Accounts, make_accounts, make_office
from devnet.attestation_key import KEYS_NAME, attestation_signer
from devnet.manifest import write_manifest
from devnet.services import console_script
from devnet.student import STUDENT_PASSWORD, equip_student


@dataclass
class Demo:
    """A chain, an indexer, an oracle, and the folder of a run with a student's wallet."""

    market: Market
    client: Client
    home: Path
    accounts: Accounts

    def environment(self) -> dict[str, str]:
        """What the lines that a demo prints set, and where the commands are."""
        commands = str(Path(console_script("billcoin-devnet")).parent)
        return {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "BILLCOIN_HOME": str(self.home),
            "BILLCOIN_WALLET_PASSWORD": STUDENT_PASSWORD,
            API_KEY_VARIABLE: self.accounts.api_key,
            "ORACLE": self.client.base,
        }


@contextlib.asynccontextmanager
async def open_demo(database_url: str, *, home: Path) -> AsyncIterator[Demo]:
    """A demo for the length of the block."""
    signer = attestation_signer(home)
    async with open_market(database_url, attestation_signers=[signer]) as market:
        settings = settings_for(
            database_url,
            market.manifest.deployment,
            access="accounts",
            # This chain makes a block for each transaction, and none in between.
            max_tip_age_seconds=3600,
            attestation_verifier_address=market.manifest.attestation_verifier,
            attestation_keys_file=home / KEYS_NAME,
        )
        write_manifest(home, market.manifest.variables())
        async with indexing(market), served(settings) as client:
            await equip_student(Account.create(), market.manifest, home=home, say=lambda _: None)
            await market.until_tip()
            await until_journal_is_read(client)
            office = await make_office({"DATABASE_URL": database_url}, suffix="")
            accounts = await make_accounts(client.base, office, suffix="")
            yield Demo(market, client, home, accounts)
