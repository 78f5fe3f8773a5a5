"""Refunds: promised once, proved by the chain once, and taken back by a reorganisation."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from oracle_support import (
    CHAIN_ID,
    DEPLOYMENT,
    PAYER,
    Client,
    Ledger,
    Pay,
    header,
    tx,
)

from ledger.chain import BlockRef
from ledger.store.audit_log import read_audit_page
from ledger.store.bulk import apply_range
from ledger.store.bulk_rows import proven_range
from ledger.store.consequences import draw_consequences
from ledger.store.cursor import read_cursor
from ledger.store.journal import read_events_after
from ledger.store.refund_proofs import find_refunds

TO = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TO_BYTES = bytes.fromhex(TO[2:])


@dataclass
class Office:
    """Finance at its desk, and the chain that it waits for."""

    client: Client
    ledger: Ledger
    made: int = 0

    async def owed(self, *amounts: str) -> dict[str, Any]:
        """An order that was paid twice and more, with all of it final."""
        order = await self.client.order()
        pays = [
            Pay(order["orderAddress"], amount, tx((order["id"], at)))
            for at, amount in enumerate(("0.25", *(amounts or ("0.25",))))
        ]
        block = await self.ledger.block(*pays)
        await self.ledger.deepen(safe=block, final=block)
        return await self.order(order)

    async def order(self, order: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = await self.client.get(order["id"])
        return found

    async def ask(
        self, order: dict[str, Any], amount: str = "0.25", *, key: str | None = None, **more: Any
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        self.made += 1
        body = {"amount": amount, "to": TO, "reason": "duplicate_payment", "note": "twice"} | more
        return await self.client.call(
            "POST",
            f"/api/v1/orders/{order['id']}/refunds",
            json=body,
            headers={"Idempotency-Key": key or f"refund-{self.made}"},
        )

    async def refund(self, order: dict[str, Any], amount: str = "0.25", **more: Any) -> Any:
        status, refund, _ = await self.ask(order, amount, **more)
        assert status == 201, refund
        return refund

    async def sent(self, refund: dict[str, Any], tx_hash: bytes) -> tuple[int, dict[str, Any]]:
        status, answer, _ = await self.client.call(
            "POST", self.path(refund) + "/transaction", json={"txHash": "0x" + tx_hash.hex()}
        )
        return status, answer

    async def cancel(self, refund: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, answer, _ = await self.client.call(
            "POST", self.path(refund) + "/cancel", json={"note": "a mistake"}
        )
        return status, answer

    async def read(self, refund: dict[str, Any]) -> dict[str, Any]:
        status, found, _ = await self.client.call("GET", self.path(refund))
        assert status == 200
        return found

    async def status(self, refund: dict[str, Any]) -> str:
        return str((await self.read(refund))["status"])

    @staticmethod
    def path(refund: dict[str, Any]) -> str:
        return f"/api/v1/orders/{refund['orderId']}/refunds/{refund['id']}"

    async def events(self, refund: dict[str, Any]) -> list[str]:
        found = await read_events_after(self.ledger.connection, 0, limit=1000)
        return [
            one.type.removeprefix("refund.")
            for one in found
            if one.data.get("refundId") == refund["id"]
        ]

    async def balances(self, order: dict[str, Any]) -> dict[str, Decimal]:
        """What the books hold of an order's refunds, by account."""
        rows = await self.ledger.connection.fetch(
            """
            SELECT account, sum(amount) FROM (
                SELECT credit AS account, amount FROM refund_entry WHERE order_id = $1
                UNION ALL SELECT debit, -amount FROM refund_entry WHERE order_id = $1
            ) moves GROUP BY account HAVING sum(amount) <> 0
            """,
            order["id"],
        )
        return {row["account"]: row["sum"] / 10**18 for row in rows}


def pay_back(amount: str = "0.25", name: object = "back", **more: Any) -> Pay:
    fields: dict[str, Any] = {
        "to": TO_BYTES,
        "amount": amount,
        "tx_hash": tx(name),
        "sender": DEPLOYMENT.treasury,
    }
    return Pay(**(fields | more))


@pytest.fixture
def office(client: Client, ledger: Ledger) -> Office:
    return Office(client, ledger)


async def test_a_refund_is_requested_sent_proved_and_settled(office: Office) -> None:
    order = await office.owed()
    assert order["amountOwedBack"] == "0.25"
    refund = await office.refund(order)
    assert refund | {"id": "", "createdAt": "", "version": 0} == {
        "id": "",
        "object": "refund",
        "orderId": order["id"],
        "storeId": "cafeteria",
        "status": "requested",
        "reason": "duplicate_payment",
        "note": "twice",
        "amount": "0.25",
        "amountUnits": "250000000000000000",
        "to": TO,
        "requestedBy": "acc_open",
        "createdAt": "",
        "txHash": None,
        "proof": None,
        "cancelledAt": None,
        "verifiedAt": None,
        "settledAt": None,
        "version": 0,
    }
    quarter = Decimal("0.25")
    assert await office.balances(order) == {"owed_back": -quarter, "promised": quarter}
    status, sent = await office.sent(refund, tx("back"))
    assert (status, sent["status"], sent["txHash"]) == (200, "sent", "0x" + tx("back").hex())
    # Still owed: a promise pays nobody.
    assert (await office.order(order))["amountOwedBack"] == "0.25"
    block = await office.ledger.block(pay_back())
    verified = await office.read(refund)
    assert verified["status"] == "verified"
    assert verified["proof"] == {
        "blockNumber": block.number,
        "blockHash": "0x" + block.hash.hex(),
        "logIndex": 0,
        "finality": "included",
    }
    after = await office.order(order)
    assert (after["amountOwedBack"], after["amountRefunded"]) == ("0", "0.25")
    assert after["status"] == "settled"
    assert await office.balances(order) == {"owed_back": -quarter, "treasury": quarter}
    await office.ledger.deepen(safe=block, final=block)
    settled = await office.read(refund)
    assert (settled["status"], settled["proof"]["finality"]) == ("settled", "finalized")
    assert settled["settledAt"]
    assert await office.events(refund) == ["requested", "sent", "verified", "settled"]
    log = await read_audit_page(
        office.ledger.connection, before_seq=None, actor=None, subject=refund["id"], limit=9
    )
    assert [(one.entry.actor, one.entry.action) for one in log] == [
        ("acc_open", "refund.sent"),
        ("acc_open", "refund.requested"),
    ]


async def test_of_requests_at_once_only_what_is_owed_is_promised(office: Office) -> None:
    order = await office.owed("0.35")
    asked = await asyncio.gather(*(office.ask(order, "0.1") for _ in range(24)))
    assert sorted(status for status, _, _ in asked) == [201] * 3 + [409] * 21
    assert {body["code"] for status, body, _ in asked if status == 409} == {"refund_too_large"}
    assert await office.balances(order) == {
        "owed_back": Decimal("-0.3"),
        "promised": Decimal("0.3"),
    }
    await office.refund(order, "0.05")


async def test_one_key_makes_one_refund_however_often_and_fast_it_comes(office: Office) -> None:
    order = await office.owed()
    asked = await asyncio.gather(*(office.ask(order, key="same") for _ in range(12)))
    refused = {body["code"] for status, body, _ in asked if status != 201}
    assert refused <= {"idempotency_key_in_flight"}
    assert len({body["id"] for status, body, _ in asked if status == 201}) == 1
    status, _, headers = await office.ask(order, key="same")
    assert (status, headers["idempotent-replayed"]) == (201, "true")
    assert await office.balances(order) == {
        "owed_back": Decimal("-0.25"),
        "promised": Decimal("0.25"),
    }
    status, problem, _ = await office.ask(order, "0.1", key="same")
    assert (status, problem["code"]) == (409, "idempotency_key_reused")
    other = await office.owed()
    status, problem, _ = await office.ask(other, key="same")
    assert (status, problem["code"]) == (409, "idempotency_key_reused")


async def test_no_more_goes_back_than_is_owed_or_was_received(office: Office) -> None:
    order = await office.owed("0.05")
    for amount, reason, expected in (
        ("0.06", "overpaid", "refund_too_large"),
        ("0.26", "faulty_goods", "refund_too_large"),
    ):
        status, problem, _ = await office.ask(order, amount, reason=reason)
        assert (status, problem["code"]) == (409, expected)
    await office.refund(order, "0.25", reason="faulty_goods")
    await office.refund(order, "0.05", reason="overpaid")
    for reason in ("overpaid", "faulty_goods"):
        status, problem, _ = await office.ask(order, "0.000001", reason=reason)
        assert (status, problem["code"]) == (409, "refund_too_large")


async def test_milk_that_was_bad_is_refunded_out_of_what_was_kept(office: Office) -> None:
    order = await office.owed("0.05")
    refund = await office.refund(order, "0.25", reason="faulty_goods")
    await office.sent(refund, tx("back"))
    await office.ledger.block(pay_back())
    after = await office.order(order)
    assert (after["amountOwedBack"], after["amountRefunded"]) == ("0.05", "0.25")
    assert await office.balances(order) == {
        "kept": Decimal("-0.25"),
        "treasury": Decimal("0.25"),
    }


async def test_nothing_is_promised_on_a_payment_that_may_still_leave_the_chain(
    office: Office,
) -> None:
    order = await office.client.order()
    pays = [Pay(order["orderAddress"], "0.25", tx(at)) for at in range(2)]
    block = await office.ledger.block(*pays)
    status, problem, _ = await office.ask(order)
    assert (status, problem["code"]) == (409, "refund_awaits_finality")
    await office.ledger.deepen(safe=block, final=block)
    await office.refund(order)


async def test_one_transfer_proves_one_refund(office: Office) -> None:
    order = await office.owed("0.25", "0.25")
    first, second = [await office.refund(order) for _ in range(2)]
    # Recorded in the other order: who was recorded first is proved first.
    for refund in (second, first):
        assert (await office.sent(refund, tx("back")))[0] == 200
    block = await office.ledger.block(pay_back())
    assert await office.status(second) == "verified"
    assert await office.status(first) == "mismatched"
    assert (await office.order(order))["amountOwedBack"] == "0.25"
    # Also in another block, where the same transaction is claimed anew.
    await office.ledger.reorganise(1, [], [pay_back()])
    assert await office.status(second) == "verified"
    assert await office.status(first) == "mismatched"
    assert (await office.read(second))["proof"]["blockHash"] != "0x" + block.hash.hex()
    # One transaction may well pay both, with a transfer each.
    await office.sent(first, tx("other"))
    await office.ledger.block(pay_back(name="other"), pay_back(name="other"))
    assert await office.status(first) == "verified"
    claims = await office.ledger.connection.fetch(
        "SELECT t.canonical, k.refund_id FROM refund_claim k JOIN transfer t "
        "USING (chain_id, block_hash, log_index) WHERE t.canonical"
    )
    assert {row["refund_id"] for row in claims} == {first["id"], second["id"]}
    assert len(claims) == 2


WRONG = [
    {"amount": "0.24"},
    {"amount": "0.26"},
    {"to": PAYER},
    {"sender": PAYER},
]


async def test_a_transfer_that_is_not_the_refund_proves_nothing_and_is_corrected(
    office: Office,
) -> None:
    for at, wrong in enumerate(WRONG):
        order = await office.owed()
        refund = await office.refund(order)
        await office.sent(refund, tx(("wrong", at)))
        await office.ledger.block(pay_back(name=("wrong", at), **wrong))
        assert await office.status(refund) == "mismatched"
        assert (await office.order(order))["amountOwedBack"] == "0.25"
        status, corrected = await office.sent(refund, tx(("right", at)))
        assert (status, corrected["status"]) == (200, "sent")
        await office.ledger.block(pay_back(name=("right", at)))
        assert await office.status(refund) == "verified"
        assert await office.events(refund) == [
            *("requested", "sent", "mismatched", "sent", "verified")
        ]
        recorded = await office.ledger.connection.fetch(
            "SELECT tx_hash, account_id FROM refund_transaction WHERE refund_id = $1 ORDER BY seq",
            refund["id"],
        )
        assert [row["tx_hash"] for row in recorded] == [tx(("wrong", at)), tx(("right", at))]


async def test_a_transfer_from_before_the_request_cannot_prove_it(office: Office) -> None:
    order = await office.owed()
    await office.ledger.block(pay_back())
    refund = await office.refund(order)
    await office.sent(refund, tx("back"))
    await office.ledger.block()
    assert await office.status(refund) == "mismatched"


async def test_a_transaction_recorded_after_its_block_is_proved_by_the_next(
    office: Office,
) -> None:
    order = await office.owed()
    refund = await office.refund(order)
    await office.ledger.block(pay_back())
    _, sent = await office.sent(refund, tx("back"))
    assert sent["status"] == "sent"
    await office.ledger.block()
    assert await office.status(refund) == "verified"


async def test_a_reorganisation_reverses_a_refund_and_its_return_proves_it_again(
    office: Office,
) -> None:
    order = await office.owed()
    refund = await office.refund(order)
    await office.sent(refund, tx("back"))
    await office.ledger.block(pay_back())
    await office.ledger.reorganise(1, [])
    assert await office.status(refund) == "reversed"
    assert (await office.read(refund))["proof"] is None
    back = await office.order(order)
    assert (back["amountOwedBack"], back["amountRefunded"]) == ("0.25", "0")
    assert (await office.balances(order))["promised"] == Decimal("0.25")
    await office.ledger.block(pay_back())
    assert await office.status(refund) == "verified"
    await office.ledger.reorganise(1, [pay_back()], fork="third")
    assert await office.status(refund) == "verified"
    assert (await office.order(order))["amountOwedBack"] == "0"
    assert await office.events(refund) == [
        *("requested", "sent", "verified", "reversed", "verified", "updated")
    ]
    moved = await office.ledger.connection.fetch(
        "SELECT debit, credit FROM refund_entry WHERE refund_id = $1 ORDER BY seq", refund["id"]
    )
    assert [tuple(row) for row in moved] == [
        ("owed_back", "promised"),
        ("promised", "treasury"),
        ("treasury", "promised"),
        ("promised", "treasury"),
    ]


async def test_a_block_that_comes_back_proves_again_and_no_second_transaction_does(
    office: Office,
) -> None:
    order = await office.owed()
    refund = await office.refund(order)
    await office.sent(refund, tx("back"))
    start = office.ledger.tip
    block = await office.ledger.block(pay_back())
    await office.ledger.reorganise(1, [])
    # Somebody gives up on the first transaction and sends another, but the first one returns.
    assert (await office.sent(refund, tx("again")))[1]["status"] == "sent"
    proven = office.ledger._proven(block, [pay_back()])
    await office.ledger._step(start, [proven], None)
    assert await office.status(refund) == "verified"
    await office.ledger.block(pay_back(name="again"))
    assert await office.balances(order) == {
        "owed_back": Decimal("-0.25"),
        "treasury": Decimal("0.25"),
    }
    status, problem = await office.sent(refund, tx("third"))
    assert (status, problem["code"]) == (409, "refund_already_proved")


async def test_a_cancelled_refund_lets_go_of_its_amount(office: Office) -> None:
    order = await office.owed()
    refund = await office.refund(order)
    for _ in range(2):
        status, cancelled = await office.cancel(refund)
        assert (status, cancelled["status"]) == (200, "cancelled")
    assert await office.balances(order) == {}
    status, problem = await office.sent(refund, tx("back"))
    assert (status, problem["code"]) == (409, "refund_cancelled")
    again = await office.refund(order)
    await office.sent(again, tx("back"))
    await office.ledger.block(pay_back())
    status, problem = await office.cancel(again)
    assert (status, problem["code"]) == (409, "refund_already_proved")


async def test_what_the_chain_proves_counts_even_when_it_was_cancelled(office: Office) -> None:
    order = await office.owed()
    refund = await office.refund(order)
    await office.sent(refund, tx("back"))
    await office.cancel(refund)
    await office.ledger.block(pay_back())
    assert await office.status(refund) == "verified"
    assert (await office.order(order))["amountOwedBack"] == "0"
    assert await office.balances(order) == {
        "owed_back": Decimal("-0.25"),
        "treasury": Decimal("0.25"),
    }
    status, problem, _ = await office.ask(order)
    assert (status, problem["code"]) == (409, "refund_too_large")


async def test_history_in_bulk_proves_a_refund_as_single_blocks_do(office: Office) -> None:
    order = await office.owed()
    refund = await office.refund(order)
    await office.sent(refund, tx("back"))
    tip, blocks = office.ledger.tip, []
    for pays in ([], [pay_back()], []):
        new = header(tip.number + 1, tip.hash, tip.timestamp + 1)
        blocks.append(office.ledger._proven(new, pays))
        tip = new
    now_tip = office.ledger.tip
    async with office.ledger.connection.transaction():
        await apply_range(
            office.ledger.connection,
            CHAIN_ID,
            proven_range(CHAIN_ID, blocks),
            expected_tip=BlockRef(now_tip.number, now_tip.hash),
            now=datetime.now(UTC),
        )
    office.ledger.chain += [block.header for block in blocks]
    assert await office.status(refund) == "verified"
    assert (await office.order(order))["amountOwedBack"] == "0"


async def test_drawing_the_consequences_again_changes_nothing(office: Office) -> None:
    order = await office.owed()
    refund = await office.refund(order)
    await office.sent(refund, tx("back"))
    await office.ledger.block(pay_back())
    connection = office.ledger.connection
    async with connection.transaction():
        cursor = await read_cursor(connection, CHAIN_ID)
        assert cursor is not None
        due = await find_refunds(connection, CHAIN_ID, [])
        assert due.ids == {refund["id"]}
        again = await draw_consequences(
            connection, CHAIN_ID, [order["id"]], cursor, now=datetime.now(UTC), refunds=due
        )
    assert again == []


async def test_the_books_cannot_be_rewritten(office: Office) -> None:
    order = await office.owed()
    refund = await office.refund(order)
    await office.sent(refund, tx("back"))
    for table in ("refund_entry", "refund_transaction"):
        for attack in (
            f"UPDATE {table} SET account_id = 'acc_other'",  # noqa: S608
            f"DELETE FROM {table}",  # noqa: S608
            f"TRUNCATE {table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await office.ledger.connection.execute(attack)


MALFORMED = [
    ({"amount": "0"}, "amount_invalid"),
    ({"amount": "-1"}, "amount_invalid"),
    ({"amount": "1e-1"}, "amount_invalid"),
    ({"amount": "NaN"}, "amount_invalid"),
    ({"amount": "0.1234567890123456789"}, "amount_invalid"),
    ({"amount": 0.25}, "parameter_invalid"),
    ({"to": "milk.eth"}, "address_invalid"),
    ({"to": TO.replace("C8", "c8")}, "address_checksum_wrong"),
    ({"to": "0x" + "00" * 20}, "recipient_refused"),
    ({"to": "0x" + DEPLOYMENT.treasury.hex()}, "recipient_refused"),
    ({"to": "0x" + DEPLOYMENT.token.hex()}, "recipient_refused"),
    ({"reason": "because"}, "reason_unknown"),
    ({"note": ""}, "parameter_invalid"),
    ({"note": "a\nb"}, "parameter_invalid"),
    ({"note": "x" * 501}, "parameter_invalid"),
    ({"more": 1}, "field_unknown"),
]


async def test_every_malformed_refund_is_refused(office: Office) -> None:
    order = await office.owed()
    for change, code in MALFORMED:
        status, problem, _ = await office.ask(order, **change)
        assert (status, problem["code"]) == (400, code), change
    status, problem, _ = await office.ask(order, to=order["orderAddress"])
    assert (status, problem["code"]) == (400, "recipient_refused")
    status, problem, _ = await office.client.call(
        "POST", f"/api/v1/orders/{order['id']}/refunds", json={}
    )
    assert status == 400
    refund = await office.refund(order)
    for text in ("0x", "5c" * 32, "0x" + "5c" * 31, "0x" + "zz" * 32):
        status, problem, _ = await office.client.call(
            "POST", office.path(refund) + "/transaction", json={"txHash": text}
        )
        assert (status, problem["code"]) == (400, "tx_hash_invalid")
    status, problem, _ = await office.client.call("GET", "/api/v1/refunds?status=gone")
    assert (status, problem["code"]) == (400, "status_unknown")


async def test_a_refund_is_found_only_under_its_own_order(office: Office) -> None:
    order, other = await office.owed(), await office.owed()
    refund = await office.refund(order)
    strange = refund | {"orderId": other["id"]}
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/transaction", {"txHash": "0x" + "5c" * 32}),
        ("POST", "/cancel", {"note": "x"}),
    ):
        for refund_id in (refund["id"], "ref_" + "0" * 26, "nope"):
            strange["id"] = refund_id
            status, problem, _ = await office.client.call(
                method, office.path(strange) + path, json=body
            )
            assert (status, problem["code"]) == (404, "refund_not_found")
    status, problem, _ = await office.ask({"id": "ord_" + "0" * 26})
    assert (status, problem["code"]) == (404, "order_not_found")


async def test_refunds_are_listed_for_an_order_and_for_the_office(office: Office) -> None:
    order = await office.owed("0.75")
    made = [await office.refund(order) for _ in range(3)]
    await office.cancel(made[0])
    _, listed, _ = await office.client.call("GET", f"/api/v1/orders/{order['id']}/refunds")
    assert [one["id"] for one in listed["data"]] == [one["id"] for one in made]
    _, page, _ = await office.client.call("GET", "/api/v1/refunds?limit=1")
    assert [one["id"] for one in page["data"]] == [made[2]["id"]]
    _, rest, _ = await office.client.call("GET", f"/api/v1/refunds?before={page['next']}")
    assert [one["id"] for one in rest["data"]] == [made[1]["id"]]
    assert rest["hasMore"] is False
    _, gone, _ = await office.client.call("GET", "/api/v1/refunds?status=cancelled")
    assert [one["id"] for one in gone["data"]] == [made[0]["id"]]
