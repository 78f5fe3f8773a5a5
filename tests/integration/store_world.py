"""A ledger on real Postgres that follows a made-up chain: no node, hence fast and exact."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ledger.block import ProvenBlock
from ledger.chain import BlockRef
from ledger.contract_event import ContractEvent
from ledger.deployment import Deployment
from ledger.header import Header
from ledger.journal import Event
from ledger.keccak import keccak256
from ledger.order import Finality, Status
from ledger.refund import RefundReason, RefundStatus
from ledger.store.cursor import Cursor, read_cursor, register
from ledger.store.journal import read_events_after
from ledger.store.orders import (
    NewOrder,
    StoredOrder,
    insert_order,
    mark_cancelled,
    read_order_by_id,
)
from ledger.store.pool import Connection, connect
from ledger.store.refund_lists import read_stored_refund
from ledger.store.refunds import (
    NewRefund,
    insert_refund,
    lock_refund,
    lock_refundable,
    record_transaction,
)
from ledger.store.replay import count_inconsistencies, find_misclaimed, find_refunds_off
from ledger.store.standings import refresh_standings
from ledger.store.switch import Outcome, Step, apply_step
from ledger.transfer import Transfer
from ledger.units import Sen, Units

CHAIN_ID = 31337
DUE = 10
SECONDS_PER_BLOCK = 10
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NEVER = 10**9
PAYER = b"\x99" * 20
DEPLOYMENT = Deployment(CHAIN_ID, b"\x01" * 20, b"\x02" * 20, b"\x03" * 20, b"\x04" * 20)


def tx(name: str) -> bytes:
    return keccak256(name.encode())


def make_block(
    parent: Header,
    *payments: tuple[bytes, int, str],
    branch: str = "a",
    seconds: int | None = None,
    sender: bytes = PAYER,
) -> ProvenBlock:
    """A block on `parent`, each payment given as recipient, units and the transaction's name.

    A price feed that the ledger follows publishes a price in each.
    """
    number = parent.number + 1
    hashed = f"{branch}/{number}/{parent.hash.hex()}/{payments}/{seconds}/{sender.hex()}"
    header = Header(
        number=number,
        hash=keccak256(hashed.encode()),
        parent_hash=parent.hash,
        timestamp=parent.timestamp + (SECONDS_PER_BLOCK if seconds is None else seconds),
        transactions_root=bytes(32),
        receipts_root=bytes(32),
    )
    transfers = tuple(
        Transfer(index, index, tx(name), sender, recipient, Units(units))
        for index, (recipient, units, name) in enumerate(payments)
    )
    price = {"current": str(number), "roundId": str(number), "updatedAt": str(header.timestamp)}
    event = ContractEvent(
        *(len(transfers), len(transfers), tx(f"price {number}")),
        *("milk_price_feed", "AnswerUpdated", price),
    )
    return ProvenBlock(header, transfers, (event,))


def paying_back(block: ProvenBlock, recipient: bytes, units: int, name: str) -> ProvenBlock:
    """The block with a transfer out of the treasury behind its others."""
    at = len(block.transfers)
    back = Transfer(at, at, tx(name), DEPLOYMENT.treasury, recipient, Units(units))
    return replace(block, transfers=(*block.transfers, back))


def ref(header: Header) -> BlockRef:
    return BlockRef(header.number, header.hash)


ANCHOR = Header(0, keccak256(b"anchor"), bytes(32), 0, bytes(32), bytes(32))


def new_order(
    name: str,
    *,
    due: int = DUE,
    expires_at: int = NEVER,
    finality: Finality = Finality.INCLUDED,
    **changes: Any,
) -> NewOrder:
    fields: dict[str, Any] = {
        "id": f"ord_{name}",
        "chain_id": CHAIN_ID,
        "store_id": "cafeteria",
        "reference": None,
        "items": [{"sku": "milk", "quantity": 1}],
        "amount_myr": Sen(180),
        "rate_myr_per_bill": Decimal("7.20"),
        "amount_due": Units(due),
        "address": keccak256(name.encode())[:20],
        "required_finality": finality,
        "created_at": NOW,
        "expires_at": expires_at,
    }
    return NewOrder(**(fields | changes))


def created(order: NewOrder) -> Event:
    return Event("order.created", order.id, {"orderId": order.id})


@dataclass
class Ledger:
    """The ledger under test, and the made-up chain's headers that it stands on."""

    connection: Connection
    chain: list[Header] = field(default_factory=lambda: [ANCHOR])
    now: datetime = NOW

    @property
    def tip(self) -> Header:
        return self.chain[-1]

    async def register(self) -> None:
        async with self.connection.transaction():
            await register(self.connection, DEPLOYMENT, anchor=ANCHOR)

    async def order(self, name: str, **terms: Any) -> NewOrder:
        order = new_order(name, **terms)
        async with self.connection.transaction():
            await insert_order(self.connection, order, event=created(order), now=NOW)
        return order

    async def refund(self, order: NewOrder, recipient: bytes, units: int, name: str) -> NewRefund:
        """Promise a refund whatever is owed, and record the transaction of that name for it."""
        new = NewRefund(
            id=f"ref_{name}",
            order_id=order.id,
            account_id="acc_office",
            reason=RefundReason.OVERPAID,
            note="too much",
            amount=Units(units),
            recipient=recipient,
        )
        async with self.connection.transaction():
            locked = await lock_refundable(self.connection, order.id)
            assert locked is not None
            await insert_refund(self.connection, new, locked, now=NOW)
            found = await lock_refund(self.connection, order.id, new.id)
            assert found is not None
            sent = replace(found[0], tx_hash=tx(name))
            await record_transaction(
                self.connection, sent, found[1], account_id="acc_office", now=NOW
            )
        return new

    async def refund_status(self, refund: NewRefund) -> RefundStatus:
        stored = await read_stored_refund(self.connection, refund.order_id, refund.id)
        assert stored is not None
        return stored.status

    async def cancel(self, order_id: str) -> bool:
        """Cancel as the oracle does."""
        async with self.connection.transaction():
            if not await mark_cancelled(self.connection, order_id, now=NOW):
                return False
            cursor = await self.cursor()
            await refresh_standings(self.connection, [order_id], cursor.depths, now=NOW)
            return True

    async def apply(
        self,
        *blocks: ProvenBlock,
        fork: Header | None = None,
        safe: Header | None = None,
        finalized: Header | None = None,
        below: Sequence[Sequence[ProvenBlock]] = (),
    ) -> Outcome:
        """Apply a branch on `fork`, which is the tip unless named; `below` comes before it."""
        base = fork or self.tip
        step = Step(
            expected_tip=ref(self.tip),
            fork=ref(base),
            branch=blocks,
            safe=ref(safe) if safe else None,
            finalized=ref(finalized) if finalized else None,
            below=below,
        )
        async with self.connection.transaction():
            outcome = await apply_step(self.connection, CHAIN_ID, step, now=self.now)
        at = self.chain.index(base)
        applied = [block.header for batch in (*below, blocks) for block in batch]
        self.chain = [*self.chain[: at + 1], *applied]
        return outcome

    async def grow(self, *payments: tuple[bytes, int, str], branch: str = "a") -> ProvenBlock:
        block = make_block(self.tip, *payments, branch=branch)
        await self.apply(block)
        return block

    async def cursor(self) -> Cursor:
        cursor = await read_cursor(self.connection, CHAIN_ID)
        assert cursor is not None
        return cursor

    async def read(self, order: NewOrder) -> StoredOrder:
        stored = await read_order_by_id(self.connection, order.id)
        assert stored is not None
        return stored

    async def status(self, order: NewOrder) -> Status:
        return (await self.read(order)).status

    async def event_types(self, order: NewOrder) -> list[str]:
        events = await read_events_after(self.connection, 0, limit=10_000)
        told = [event.type for event in events if event.order_id == order.id]
        return [kind.removeprefix("order.") for kind in told if kind.startswith("order.")]

    async def require_sound(self) -> None:
        """What must hold within any ledger at any time."""
        found = await count_inconsistencies(self.connection, CHAIN_ID)
        assert found == dict.fromkeys(found, 0)
        assert await find_misclaimed(self.connection, CHAIN_ID) == []
        assert await find_refunds_off(self.connection, CHAIN_ID) == []
        cursor = await self.cursor()
        assert cursor.tip == ref(self.tip)
        rows = await self.connection.fetch(
            "SELECT number, hash FROM block WHERE canonical ORDER BY number"
        )
        assert [tuple(row) for row in rows] == [(item.number, item.hash) for item in self.chain]


@contextlib.asynccontextmanager
async def open_ledger(database_url: str) -> AsyncIterator[Ledger]:
    """A registered ledger, standing on the anchor."""
    connection = await connect(database_url, application_name="test")
    try:
        ledger = Ledger(connection)
        await ledger.register()
        yield ledger
    finally:
        await connection.close()


TABLES = (
    *("chain", "block", "transfer", "contract_event", "orders", "payment", "journal", "event"),
    *("observation", "loyalty_account", "coupon", "posting"),
    *("refund", "refund_transaction", "refund_claim", "refund_entry", "exposure_entry"),
)


async def dump(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the ledger, in a fixed order."""
    rows = {}
    for table in TABLES:
        found = await connection.fetch(f"SELECT * FROM {table} ORDER BY {table}::text")  # noqa: S608
        rows[table] = [tuple(row) for row in found]
    return rows
