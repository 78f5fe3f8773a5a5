"""A payer with money, an order or two, and the oracle to ask: what each situation is made of."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

from billcoin_client import AsyncBillcoinClient, Order, UnsureError, Validation
from contracts.billcoin import Authorization
from contracts.signing import LocalAccount
from devnet import token_calls
from devnet.node import Node
from devnet.sandbox.bundle import calls_init_code
from devnet.transactions import Message, address_of, require_success, send
from ledger.deployment import Deployment
from ledger.errors import TransientError
from ledger.json_hex import to_hex
from ledger.payment_uri import parse_address
from ledger.units import Units, format_bill

PRICE_MYR = "1.80"
PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.05
_AUTHORIZED_SECONDS = 3_600


@dataclass(frozen=True)
class Question:
    """What the oracle is asked."""

    tx_hash: str
    expected_amount: str
    order_id: str | None = None


@dataclass
class Scene:
    """One run of one situation; what happened is kept to be shown."""

    client: AsyncBillcoinClient
    node: Node
    payer: LocalAccount
    deployment: Deployment
    orders: list[Order] = field(default_factory=list)
    tx_hashes: list[str] = field(default_factory=list)

    async def order(
        self, amount_myr: str = PRICE_MYR, *, lives_seconds: int | None = None
    ) -> Order:
        """Make an order as a partner does."""
        made = await self.client.create_order(
            amount_myr=amount_myr, expires_in_seconds=lives_seconds, reference="sandbox"
        )
        self.orders.append(made)
        return made

    async def broadcast(self, order: Order, *, percent: int = 100) -> str:
        """Send this part of what the order costs to its address; not in a block yet."""
        units = Units(order.amount_due_units * percent // 100)
        recipient = parse_address(order.order_address, param="orderAddress")
        return await self.transfer(recipient, units)

    async def transfer(self, recipient: bytes, units: Units) -> str:
        """Send BILL to anybody; not in a block yet."""
        data = token_calls.transfer(recipient, units)
        return await self._send(Message(self.deployment.token, data))

    async def broadcast_together(self, *orders: Order) -> str:
        """Pay several orders in one transaction."""
        calls = [self._authorized(order) for order in orders]
        return await self._send(Message(None, calls_init_code(self.deployment.token, calls)))

    async def pay(self, order: Order, *, percent: int = 100) -> Question:
        """Send this part of what the order costs, and wait for the block."""
        tx_hash = await self.broadcast(order, percent=percent)
        await self.until_in_block(tx_hash)
        return question(tx_hash, order)

    async def until_in_block(self, tx_hash: str) -> None:
        """Wait for a transaction's block."""
        require_success(await self.node.receipt(bytes.fromhex(tx_hash[2:])))

    async def ask_until(self, asked: Question, code: str) -> Validation:
        """Ask until the answer is this one: the ledger is moments behind the chain.

        Raises:
            TransientError: it never came to be.
        """
        said: Validation | None = None
        doubt = ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while said is None or said.verdict.code != code:
                    if said is not None or doubt:
                        await asyncio.sleep(_POLL_SECONDS)
                    try:
                        said = await self.client.validate(
                            asked.tx_hash, asked.expected_amount, order_id=asked.order_id
                        )
                    except UnsureError as error:
                        doubt = error.code
        except TimeoutError as error:
            last = doubt if said is None else said.verdict.code
            raise TransientError(f"the oracle says {last}, not {code}") from error
        return said

    async def _send(self, message: Message) -> str:
        tx_hash = to_hex(
            await send(self.node, self.payer, message, chain_id=self.deployment.chain_id)
        )
        self.tx_hashes.append(tx_hash)
        return tx_hash

    def _authorized(self, order: Order) -> bytes:
        authorization = Authorization(
            owner=address_of(self.payer),
            to=parse_address(order.order_address, param="orderAddress"),
            units=Units(order.amount_due_units),
            valid_after_seconds=0,
            valid_before_seconds=int(order.expires_at.timestamp()) + _AUTHORIZED_SECONDS,
            nonce=secrets.token_bytes(32),
        )
        return token_calls.transfer_with_authorization(
            authorization,
            self.payer,
            chain_id=self.deployment.chain_id,
            token=self.deployment.token,
        )


def question(tx_hash: str, order: Order) -> Question:
    """The question that a partner asks about its own order."""
    return Question(tx_hash, format_bill(Units(order.amount_due_units)), order.id)


def told(asked: Question) -> dict[str, Any]:
    """The question as the API takes it."""
    fields = {
        "txHash": asked.tx_hash,
        "expectedAmount": asked.expected_amount,
        "orderId": asked.order_id,
    }
    return {name: value for name, value in fields.items() if value is not None}
