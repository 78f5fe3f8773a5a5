"""Payers of every kind on a real chain, and what the oracle says of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rlp
from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from shop import Shop

from devnet import token_calls
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account
from devnet.transactions import Message, address_of, send
from ledger.keccak import keccak256
from ledger.order_address import order_key
from ledger.payment_uri import parse_address
from ledger.units import Units, parse_bill

PATIENCE_SECONDS = 20.0


def recipient(order: dict[str, Any]) -> bytes:
    return parse_address(order["orderAddress"], param="orderAddress")


@dataclass
class Street:
    """Everybody outside the shop; `payer` holds BILL and coin."""

    shop: Shop

    @property
    def payer(self) -> LocalAccount:
        return dev_account(DEPLOYER_INDEX)

    @property
    def token(self) -> bytes:
        return self.shop.manifest.deployment.token

    async def send(
        self,
        data: bytes,
        *,
        to: bytes | None,
        sender: int = DEPLOYER_INDEX,
        gas_limit: int | None = None,
    ) -> str:
        """Send a transaction and wait for its block; returns its hash."""
        tx_hash = await send(
            self.shop.node,
            dev_account(sender),
            Message(to, data),
            chain_id=self.shop.manifest.deployment.chain_id,
            gas_limit=gas_limit,
        )
        receipt = await self.shop.node.receipt(tx_hash)
        assert receipt.succeeded
        return "0x" + tx_hash.hex()

    async def pay(self, to: bytes | dict[str, Any], bill: str = "0.25", **more: Any) -> str:
        """A plain transfer."""
        address = recipient(to) if isinstance(to, dict) else to
        data = token_calls.transfer(address, parse_bill(bill))
        return await self.send(data, to=self.token, **more)

    async def pay_at_once(self, transfers: Sequence[tuple[bytes, str]]) -> str:
        """One transaction with several transfers: a contract that makes them while it is born."""
        sender = self.payer
        nonce = await self.shop.node.quantity("eth_getTransactionCount", sender.address, "latest")
        # By CREATE's rule, one nonce on: the next transaction gives it the BILL first.
        born_at = keccak256(rlp.encode([address_of(sender), nonce + 1]))[12:]
        total = sum(parse_bill(bill) for _, bill in transfers)
        await self.send(token_calls.transfer(born_at, Units(total)), to=self.token)
        code = b"".join(
            _call(self.token, token_calls.transfer(to, parse_bill(bill))) for to, bill in transfers
        )
        # An estimate would be satisfied with calls that run out of gas.
        return await self.send(code, to=None, gas_limit=1_000_000)

    async def signed(self, to: bytes, bill: str, *, nonce: int) -> str:
        """A transfer's raw transaction, for a branch that nobody has seen."""
        head = await self.shop.node.head()
        transaction = self.payer.sign_transaction(
            {
                "type": 2,
                "chainId": self.shop.manifest.deployment.chain_id,
                "nonce": nonce,
                "to": self.token,
                "data": token_calls.transfer(to, parse_bill(bill)),
                "value": 0,
                "gas": 200_000,
                "maxFeePerGas": 4 * int(head["baseFeePerGas"], 16) + 10**9,
                "maxPriorityFeePerGas": 10**9,
            }
        )
        return "0x" + bytes(transaction.raw_transaction).hex()

    async def nonce(self) -> int:
        return await self.shop.node.quantity(
            "eth_getTransactionCount", self.payer.address, "latest"
        )

    async def sweep(self, *orders: dict[str, Any]) -> str:
        """Let anybody forward what these orders received to the treasury."""
        deployment = self.shop.manifest.deployment
        keys = [order_key(order["id"]) for order in orders]
        call = keccak256(b"sweep(address,address,bytes32[])")[:4] + encode(
            ["address", "address", "bytes32[]"], [self.token, deployment.treasury, keys]
        )
        return await self.send(call, to=deployment.vault_factory)

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """Ask the oracle for anything else."""
        url = f"{self.shop.url}/api/v1{path}"
        async with self.shop.http.request(method, url, **options) as answer:
            said: dict[str, Any] = await answer.json()
            return answer.status, said

    async def reorganise(self, depth: int, *placed: tuple[str, int]) -> None:
        """Replace the newest blocks; raw transactions go into the n-th new one."""
        await self.shop.node.call("anvil_reorg", depth, [list(one) for one in placed])

    async def order(self, amount: str = "1.80") -> dict[str, Any]:
        return await self.shop.order(amountMyr=amount)

    async def read(self, order: dict[str, Any]) -> dict[str, Any]:
        async with self.shop.http.get(f"{self.shop.url}/api/v1/orders/{order['id']}") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def ask(
        self, tx_hash: str, amount: Any = "0.25", **more: Any
    ) -> tuple[int, dict[str, Any]]:
        question = {"txHash": tx_hash, "expectedAmount": amount} | more
        path = f"{self.shop.url}/api/v1/payments/validate"
        async with self.shop.http.post(path, json=question) as answer:
            said: dict[str, Any] = await answer.json()
            return answer.status, said

    async def verdict(self, tx_hash: str, amount: str = "0.25", **more: Any) -> dict[str, Any]:
        """What the oracle says once it stands on the chain's head."""
        head = (await self.shop.node.head())["hash"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                status, said = await self.ask(tx_hash, amount, **more)
                if status == 200 and said["verdict"]["asOf"]["blockHash"] == head:
                    return said
                await asyncio.sleep(0.02)

    async def code(self, tx_hash: str, amount: str = "0.25", **more: Any) -> str:
        said = await self.verdict(tx_hash, amount, **more)
        assert said["valid"] is (said["verdict"]["code"] == "valid")
        assert said["error"] == (None if said["valid"] else said["verdict"]["code"])
        return str(said["verdict"]["code"])

    async def until(self, order: dict[str, Any], status: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await self.read(order)
                if found["status"] == status:
                    return found
                await asyncio.sleep(0.02)


def _call(target: bytes, data: bytes) -> bytes:
    """EVM code that calls `target` with `data` and takes no notice of the answer."""
    words = [data[at : at + 32].ljust(32, b"\0") for at in range(0, len(data), 32)]
    stored = b"".join(
        b"\x7f" + word + b"\x60" + bytes([32 * at]) + b"\x52" for at, word in enumerate(words)
    )
    # outsize, out, insize, in, value; then the address, all the gas, CALL, POP
    arguments = b"\x60\x00\x60\x00\x60" + bytes([len(data)]) + b"\x60\x00\x60\x00"
    return stored + arguments + b"\x73" + target + b"\x5a\xf1\x50"
