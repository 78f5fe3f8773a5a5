"""A ledger that stands before one step, with orders that the step pays, moves and settles."""

# ruff: noqa: S311 - a seed must give the same chain again

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

from devnet.faulty_node.drafts import Draft, price_log
from devnet.faulty_node.model import ChainModel, model_feed
from ledger.deployment import Deployment
from ledger.journal import Event
from ledger.order import Finality
from ledger.store.orders import NewOrder, insert_order
from ledger.store.pool import Connection
from ledger.units import Sen, Units

BILL = 10**18
SEED = 20_250_601
CUSTOMERS = (b"\x0a" * 32, b"\x0b" * 32, None)
_LIVES_SECONDS = 100_000
_BLOCK_SECONDS = 12
_CREATED = datetime(2025, 6, 15, tzinfo=UTC)


@dataclass
class Scene:
    """The chain as it is when the indexer first sees it, and the step that comes then."""

    model: ChainModel
    orders: list[NewOrder]

    @property
    def deployment(self) -> Deployment:
        return self.model.deployment

    def pay(self, number: int, amount: int) -> None:
        """Pay an order, and publish a price in the same block."""
        self.model.mine([self.model.pay(self.orders[number].address, amount), self.price()])

    def price(self) -> Draft:
        """A transaction in which the feed publishes a price."""
        number = self.model.head.number
        return self.model.draft([price_log(model_feed(), 720_000_000 + number, round_id=number)])

    def take_plain_block(self) -> None:
        """One transaction pays two orders, another one too little, one expires unpaid."""
        model, orders = self.model, self.orders
        wallet = model.wallets[1]
        model.mine(
            [
                model.draft(
                    [
                        model.transfer(wallet, orders[2].address, BILL),
                        model.transfer(wallet, orders[3].address, 2 * BILL),
                    ]
                ),
                model.pay(orders[4].address, BILL // 2),
                model.pay(model.deployment.treasury, 7),
                self.price(),
            ],
            seconds=_LIVES_SECONDS // 2,
        )

    def take_reorganisation(self) -> None:
        """Three blocks go: one payment moves to another block, one comes smaller, one is lost."""
        model, orders = self.model, self.orders
        moved = [draft for block in self._newest(3) for draft in block.drafts][:1]
        model.reorg(3, [[], moved, [model.pay(orders[1].address, BILL // 4)], []])

    def take_depths(self) -> None:
        """No new block; what was paid becomes safe and final."""
        head = self.model.head.number
        self.model.declare(safe=head, finalized=head)

    def _newest(self, count: int) -> list[object]:
        head = self.model.head.number
        return [self.model.at(number) for number in range(head - count + 1, head + 1)]


def make_scene() -> Scene:
    """Eight orders, of which two are paid, one waits for depth; three blocks are not final.

    Others were paid before: one customer lacks a point for a coupon, one has just got theirs.
    """
    random = Random(SEED)
    model = ChainModel(random)
    expiry = model.head.timestamp + _LIVES_SECONDS
    finalities = (Finality.INCLUDED, Finality.INCLUDED, Finality.INCLUDED, Finality.FINALIZED)
    orders = [
        new_order(model, random, number, finalities[number % 4], expires_at=expiry)
        for number in range(7)
    ]
    orders.append(
        new_order(model, random, 7, Finality.INCLUDED, expires_at=model.head.timestamp + 3600)
    )
    earlier = [
        new_order(model, random, number, Finality.INCLUDED, expires_at=expiry)
        for number in (9, 12, 15, 10, 13, 16, 19)
    ]
    scene = Scene(model, orders + earlier)
    wallet = model.wallets[1]
    model.mine([model.draft([model.transfer(wallet, order.address, BILL) for order in earlier])])
    model.declare(safe=2, finalized=2)
    scene.pay(0, BILL)
    scene.pay(1, BILL)
    scene.pay(7, BILL // 3)
    return scene


def new_order(
    model: ChainModel, random: Random, number: int, finality: Finality, *, expires_at: int
) -> NewOrder:
    order_id = f"ord_{number:04}"
    return NewOrder(
        id=order_id,
        chain_id=model.deployment.chain_id,
        store_id="cafeteria",
        reference=None,
        items=[],
        amount_myr=Sen(720),
        rate_myr_per_bill=Decimal("7.20"),
        amount_due=Units(BILL),
        address=random.randbytes(20),
        required_finality=finality,
        created_at=_CREATED,
        expires_at=expires_at,
        customer=CUSTOMERS[number % len(CUSTOMERS)],
    )


async def write_orders(connection: Connection, orders: list[NewOrder]) -> None:
    for order in orders:
        async with connection.transaction():
            await insert_order(
                connection, order, event=Event("order.created", order.id, {}), now=_CREATED
            )


def environment(deployment: Deployment, database_url: str, *nodes: str) -> Mapping[str, str]:
    """The settings of an indexer that follows these nodes by polling."""
    return {
        "DATABASE_URL": database_url,
        "BILLCOIN_CHAIN_ID": str(deployment.chain_id),
        "BILLCOIN_TOKEN_ADDRESS": f"0x{deployment.token.hex()}",
        "BILLCOIN_VAULT_FACTORY_ADDRESS": f"0x{deployment.vault_factory.hex()}",
        "BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS": f"0x{deployment.vault_implementation.hex()}",
        "BILLCOIN_TREASURY_ADDRESS": f"0x{deployment.treasury.hex()}",
        "BILLCOIN_MILK_PRICE_FEED_ADDRESS": f"0x{model_feed().hex()}",
        "BILLCOIN_NODE_HTTP_URL": ",".join(nodes),
        "BILLCOIN_START_BLOCK": "1",
        "BILLCOIN_BLOCK_TIME_SECONDS": "0.2",
    }
