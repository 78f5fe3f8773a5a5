"""An oracle with a relay on a real chain, and wallets that have BILL and no gas."""

import asyncio
import contextlib
import itertools
import os
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from market import Market, indexing, open_market, wait_for
from oracle_support import Client, served, settings_for, until_journal_is_read
from relay_proxy import RelayProxy

from contracts import billcoin
from contracts.abi import call_data
from contracts.billcoin import Authorization
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account
from devnet.token_calls import balance, transfer
from devnet.transactions import address_of
from ledger.json_hex import to_hex
from ledger.payment_uri import parse_address
from ledger.units import Units
from oracle_api.database import Database
from oracle_api.jobs.work import JobContext
from oracle_api.relay.assembly import watch_relay
from oracle_api.relay.authorization import read_signed
from oracle_api.settings import Settings

RELAYER_INDEX = 5
STRANGER_INDEX = 6
SUBMIT = "/api/v1/payments/submit"
_names = itertools.count()


def write_key(folder: Path, account: LocalAccount, *, mode: int = 0o600) -> Path:
    path = folder / f"relayer-{next(_names)}"
    path.write_text(f"0x{bytes(account.key).hex()}\n")
    path.chmod(mode)
    return path


def relay_settings(market: Market, folder: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        # The chain stands still between payments, which makes its tip old in time.
        "max_tip_age_seconds": 86_400,
        "relayer_node_url": market.chain.http_url,
        "relayer_key_file": write_key(folder, dev_account(RELAYER_INDEX)),
        "relayer_payer_daily_limit": 1000,
        "relayer_stuck_blocks": 3,
        "relayer_poll_seconds": 0.05,
    }
    return settings_for(market.database_url, market.manifest.deployment, **(values | changes))


@dataclass
class Wallet:
    """An account with BILL and without gas, which signs what it is told."""

    account: LocalAccount

    @property
    def address(self) -> bytes:
        return address_of(self.account)


@dataclass
class Scene:
    """What a test needs: the chain, a served oracle, and a wallet."""

    market: Market
    client: Client
    wallet: Wallet
    settings: Settings
    folder: Path
    clients: list[Client] = field(default_factory=list)

    def sign(
        self,
        order: dict[str, Any],
        *,
        wallet: Wallet | None = None,
        chain_id: int | None = None,
        token: bytes | None = None,
        to: bytes | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """The body of a submission; `changes` replace what is signed."""
        account = (wallet or self.wallet).account
        deployment = self.market.manifest.deployment
        values: dict[str, Any] = {
            "owner": address_of(account),
            "to": to or parse_address(order["orderAddress"], param="to"),
            "units": Units(int(order["amountDueUnits"])),
            "valid_after_seconds": 0,
            "valid_before_seconds": int(time.time()) + 300,
            "nonce": secrets.token_bytes(32),
        }
        authorization = Authorization(**(values | changes))
        message = billcoin.transfer_with_authorization_typed_data(
            authorization,
            chain_id=chain_id or deployment.chain_id,
            token=token or deployment.token,
        )
        signed = account.sign_message(encode_typed_data(full_message=message))
        return {
            "orderId": order["id"],
            "from": account.address,
            "value": str(authorization.units),
            "validAfter": str(authorization.valid_after_seconds),
            "validBefore": str(authorization.valid_before_seconds),
            "nonce": to_hex(authorization.nonce),
            "signature": to_hex(bytes(signed.signature)),
        }

    async def submit(
        self, body: dict[str, Any], *, wait: int = 0, client: Client | None = None
    ) -> tuple[int, Any]:
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        status, answer, _ = await (client or self.client).call(
            "POST", SUBMIT, json=body, headers=headers
        )
        return status, answer

    async def show(self, relay_id: str, *, wait: int = 0) -> Any:
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        status, answer, _ = await self.client.call(
            "GET", f"/api/v1/payments/submissions/{relay_id}", headers=headers
        )
        assert status == 200, answer
        return answer

    async def until(self, relay_id: str, status: str, **more: Any) -> Any:
        """Wait until a submission has this status."""
        found: dict[str, Any] = {}

        async def reached() -> bool:
            found.update(await self.show(relay_id))
            return found["status"] == status and more.items() <= found.items()

        try:
            await wait_for(reached, f"submission {status}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {found}") from None
        return found

    async def until_paid(self, relay_id: str) -> Any:
        """Wait until a block holds the transfer and the order counts as paid."""
        found: dict[str, Any] = {}

        async def reached() -> bool:
            found.update(await self.show(relay_id))
            return found["status"] == "included" and found["orderStatus"] in {"paid", "settled"}

        await wait_for(reached, "a paid order")
        return found

    async def transfers_to(self, order: dict[str, Any]) -> int:
        """How many transfers to the order's address the ledger holds, each proven."""
        count: int = await self.market.ledger.fetchval(
            "SELECT count(*) FROM transfer WHERE recipient = $1 AND canonical",
            parse_address(order["orderAddress"], param="to"),
        )
        return count

    async def signed_count(self, relay_id: str) -> int:
        """How many transactions were ever signed for a submission."""
        count: int = await self.market.ledger.fetchval(
            "SELECT count(*) FROM relay_transaction WHERE submission_id = $1", relay_id
        )
        return count

    async def relayer_nonce(self) -> int:
        return await self.market.node.quantity(
            "eth_getTransactionCount", dev_account(RELAYER_INDEX).address, "latest"
        )

    async def broadcast_elsewhere(self, body: dict[str, Any], *, tip_wei: int = 10**9) -> bytes:
        """Somebody who saw the authorisation sends it too, perhaps for a better price."""
        order = await self.client.get(body["orderId"])
        signed = read_signed(
            owner=body["from"],
            to=parse_address(order["orderAddress"], param="to"),
            value=body["value"],
            valid_after=body["validAfter"],
            valid_before=body["validBefore"],
            nonce=body["nonce"],
            signature=body["signature"],
        )
        return await self._send(dev_account(STRANGER_INDEX), signed.call_data(), tip_wei)

    async def pay_plainly(self, order: dict[str, Any]) -> None:
        """Somebody with gas pays the order, for a better price than the relay's."""
        to = parse_address(order["orderAddress"], param="to")
        data = transfer(to, Units(int(order["amountDueUnits"])))
        await self._send(dev_account(DEPLOYER_INDEX), data, 50 * 10**9)

    async def cancel(self, nonce: bytes, *, tip_wei: int = 10**9) -> None:
        """The wallet's holder makes an authorisation worthless."""
        deployment = self.market.manifest.deployment
        message = billcoin.cancel_authorization_typed_data(
            authorizer=self.wallet.address,
            nonce=nonce,
            chain_id=deployment.chain_id,
            token=deployment.token,
        )
        signed = self.wallet.account.sign_message(encode_typed_data(full_message=message))
        data = call_data(
            billcoin.artifact(),
            "cancelAuthorization",
            self.wallet.address,
            nonce,
            signed.v,
            signed.r.to_bytes(32),
            signed.s.to_bytes(32),
        )
        await self._send(dev_account(STRANGER_INDEX), data, tip_wei)

    async def empty(self, wallet: Wallet) -> None:
        """Spend all of a wallet's BILL before anything else can."""
        node, holder = self.market.node, wallet.account.address
        await node.call("anvil_setBalance", holder, hex(10**18))
        held = await balance(node, self.market.manifest.deployment.token, wallet.address)
        data = transfer(b"\x77" * 20, held)
        await self._send(wallet.account, data, 50 * 10**9)

    async def _send(self, sender: LocalAccount, data: bytes, tip_wei: int) -> bytes:
        """Without asking whether it would succeed: what is waiting already may decide that."""
        node, deployment = self.market.node, self.market.manifest.deployment
        signed = sender.sign_transaction(
            {
                "type": 2,
                "chainId": deployment.chain_id,
                "nonce": await node.quantity("eth_getTransactionCount", sender.address, "pending"),
                "to": deployment.token,
                "data": data,
                "value": 0,
                "gas": 200_000,
                "maxFeePerGas": 100 * 10**9,
                "maxPriorityFeePerGas": tip_wei,
            }
        )
        await node.call("eth_sendRawTransaction", to_hex(bytes(signed.raw_transaction)))
        return bytes(signed.hash)

    async def submit_stuck(self) -> tuple[dict[str, Any], Any]:
        """An order, and its submission that offers too little for the blocks that follow.

        Call it without mining.
        """
        node, order = self.market.node, await self.client.order()
        await node.call("anvil_setNextBlockBaseFeePerGas", hex(10**9))
        await self.market.mine()
        _, answer = await self.submit(self.sign(order))
        await node.call("anvil_setNextBlockBaseFeePerGas", hex(20 * 10**9))
        await self.market.mine(self.settings.relayer_stuck_blocks)
        return order, answer

    async def until_signed(self, relay_id: str, count: int) -> None:
        """Wait until so many transactions were signed for a submission."""

        async def are_signed() -> bool:
            return await self.signed_count(relay_id) == count

        await wait_for(are_signed, f"{count} signed transactions")

    @contextlib.asynccontextmanager
    async def without_mining(self) -> AsyncIterator[None]:
        """Blocks only when asked for."""
        node = self.market.node
        await node.call("evm_setAutomine", False)  # noqa: FBT003 - JSON-RPC's positional argument
        try:
            yield
        finally:
            await node.call("evm_setAutomine", True)  # noqa: FBT003
            await node.call("evm_mine")


async def new_wallet(market: Market, units: int = 1000 * 10**18) -> Wallet:
    """A wallet that never had any gas."""
    wallet = Wallet(Account.from_key(os.urandom(32)))
    if units:
        await market.mint(wallet.address, units)
    return wallet


@contextlib.asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[None]:
    """What the jobs process does for the relay, in this process."""
    database = Database(str(settings.database_url), settings.deployment)
    await database.open()
    task = asyncio.create_task(watch_relay(JobContext(settings, database, time.time)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()


@contextlib.asynccontextmanager
async def open_scene(
    database_url: str,
    folder: Path,
    *,
    through: RelayProxy | None = None,
    is_watched: bool = True,
) -> AsyncIterator[Scene]:
    """Everything, running, with an indexer in this process; the relay's node may be a proxy."""
    async with open_market(database_url) as market, indexing(market):
        changes: dict[str, Any] = {}
        if through is not None:
            through.target = market.chain.http_url
            changes["relayer_node_url"] = through.url
        settings = relay_settings(market, folder, **changes)
        wallet = await new_wallet(market)
        await market.until_tip()
        watch = watching(settings) if is_watched else contextlib.nullcontext()
        async with served(settings) as client, watch:
            await until_journal_is_read(client)
            yield Scene(market, client, wallet, settings, folder)
