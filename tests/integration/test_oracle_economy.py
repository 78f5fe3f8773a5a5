"""What the milk economy said, as the oracle tells it: rates, prices, batches and their sales."""

import time
from typing import Any

import pytest
from oracle_support import (
    PAYER,
    Client,
    Ledger,
    Pay,
    Said,
    open_ledger,
    published,
    served,
    settings_for,
    tx,
)

from ledger.payment_uri import format_address
from oracle_api.batches import endpoints

DAIRY, OTHER_DAIRY = b"\x31" * 20, b"\x32" * 20
SENSOR = b"\x41" * 20
NOBODY = bytes(20)
LITRE = 10**18
DAY_SECONDS = 86_400


def accepted(name: int, litres: int, *, dairy: bytes = DAIRY, second: bytes = NOBODY) -> Said:
    """A batch and the BILL that is minted against it."""
    batch_id = name.to_bytes(32)
    tx_hash = tx(("batch", name))
    arguments = {
        "dairy": "0x" + dairy.hex(),
        "batch_id": "0x" + batch_id.hex(),
        "sensor": "0x" + SENSOR.hex(),
        "second_sensor": "0x" + second.hex(),
        "litres": str(litres * LITRE),
        "temperature": "72500",
        "holding_ms": "16000",
        "started_at": "1775806200",
        "ended_at": "1775808000",
        "nonce": str(name),
        "year": "2026",
        "subsidy": "7",
    }
    mint = Pay(dairy, str(litres), tx_hash, sender=NOBODY)
    return Said("minting_module", "BatchAccepted", arguments, tx_hash, mints=mint)


def recalled(name: int, reason: str) -> Said:
    arguments = {
        "dairy": "0x" + DAIRY.hex(),
        "batch_id": "0x" + name.to_bytes(32).hex(),
        "litres": "1",
        "subsidy": "1",
        "reason": reason,
    }
    return Said("minting_module", "BatchRecalled", arguments, tx(("recall", name)))


def paid_out(name: int, kind: str = "PayoutPaid") -> Said:
    arguments = {
        "payee": "0x" + DAIRY.hex(),
        "cause": "0x" + name.to_bytes(32).hex(),
        "amount": "7",
    }
    return Said("minting_module", kind, arguments, tx(("batch", name)))


def batch_id(name: int, dairy: bytes = DAIRY) -> str:
    return f"bat_{dairy.hex()}_{name.to_bytes(32).hex()}"


async def got(client: Client, path: str, status: int = 200) -> Any:
    found, document, _ = await client.call("GET", path)
    assert found == status, document
    return document


async def test_an_order_is_locked_at_the_newest_price_and_a_reorganisation_takes_it_back(
    ledger_url: str,
) -> None:
    now = int(time.time())
    async with (
        open_ledger(ledger_url) as ledger,
        served(settings_for(ledger_url, rate_source="feed")) as client,
    ):
        # Without any price the shop goes on at its own.
        first = await client.order("14.50")
        assert (first["rateSource"], first["rateUpdatedAt"], first["rateAgeSeconds"]) == (
            "fixed",
            None,
            None,
        )
        await ledger.block(published("7.25", round_id=1, at=now - 60))
        await ledger.block(published("8", round_id=2, at=now - 30))
        newest = await client.order("16.00")
        assert (newest["rateSource"], newest["rateMyrPerBill"]) == ("feed", "8")
        assert newest["amountDue"] == "2"
        assert 30 <= newest["rateAgeSeconds"] <= 60
        await ledger.reorganise(1, [])
        again = await client.order("14.50")
        assert (again["rateMyrPerBill"], again["amountDue"]) == ("7.25", "2")
        # An order keeps the rate that it was made at.
        assert (await client.get(newest["id"]))["rateMyrPerBill"] == "8"
        history = await got(client, "/api/v1/prices/milk")
        assert [item["priceMyr"] for item in history["data"]] == ["7.25"]


async def test_sales_stop_for_a_late_price_only_where_the_manager_said_so(
    ledger_url: str,
) -> None:
    old = int(time.time()) - 500
    changes: dict[str, Any] = {"rate_source": "feed", "rate_max_age_seconds": 100}
    async with open_ledger(ledger_url) as ledger:
        await ledger.block(published("9", round_id=1, at=old))
        async with served(settings_for(ledger_url, **changes)) as client:
            order = await client.order(key="kept")
            assert (order["rateSource"], order["rateMyrPerBill"]) == ("last_good", "9")
            assert order["rateAgeSeconds"] >= 500
        async with served(settings_for(ledger_url, rate_when_stale="fixed", **changes)) as client:
            order = await client.order(key="another")
            assert (order["rateSource"], order["rateMyrPerBill"]) == ("fixed", "7.2")
        async with served(settings_for(ledger_url, rate_when_stale="refuse", **changes)) as client:
            status, problem, headers = await client.call(
                "POST",
                "/api/v1/orders",
                json={"amountMyr": "1.80"},
                headers={"Idempotency-Key": "new"},
            )
            assert (status, problem["code"], problem["retryable"]) == (503, "rate_stale", True)
            assert headers["retry-after"]
            # What was made before comes back as it was.
            assert (await client.order(key="kept"))["rateMyrPerBill"] == "9"
            await ledger.block(published("7", round_id=2, at=int(time.time())))
            assert (await client.order(key="new"))["rateSource"] == "feed"


async def test_prices_come_in_pages_and_too_few_make_no_forecast(
    ledger: Ledger, client: Client
) -> None:
    now = int(time.time())
    for number in range(5):
        await ledger.block(published(f"7.{number}", round_id=number + 1, at=now - 50 + number))
    first = await got(client, "/api/v1/prices/milk?limit=2")
    assert [item["roundId"] for item in first["data"]] == ["5", "4"]
    assert first["data"][0]["finality"] == "included"
    rest = await got(client, f"/api/v1/prices/milk?limit=9&before={first['next']}")
    assert [item["roundId"] for item in rest["data"]] == ["3", "2", "1"]
    assert (rest["hasMore"], rest["next"]) == (False, None)
    for path, code in (
        ("/api/v1/prices/milk?before=7", "before_invalid"),
        ("/api/v1/prices/milk?limit=0", "limit_invalid"),
        ("/api/v1/prices/milk/forecast?days=0", "days_invalid"),
        ("/api/v1/prices/milk/forecast?days=99", "days_invalid"),
        ("/api/v1/prices/milk/forecast?days=1e1", "days_invalid"),
    ):
        assert (await got(client, path, 400))["code"] == code
    problem = await got(client, "/api/v1/prices/milk/forecast", 503)
    assert problem["code"] == "forecast_history_short"


async def test_a_forecast_has_a_band_and_a_baseline_with_their_errors(
    ledger: Ledger, client: Client
) -> None:
    pytest.importorskip("statsmodels")
    start = int(time.time()) - 40 * DAY_SECONDS
    for day in range(40):
        # A week's rhythm and a slow rise.
        price = f"{7 + day / 200 + (day % 7) / 50:.4f}"
        await ledger.block(published(price, round_id=day + 1, at=start + day * DAY_SECONDS))
    told = await got(client, "/api/v1/prices/milk/forecast?days=3")
    assert (told["historyDays"], len(told["points"])) == (40, 3)
    for point in told["points"]:
        low, middle, high = (float(point[name]) for name in ("lowMyr", "priceMyr", "highMyr"))
        assert 0 < low < middle < high
        assert float(point["baselineMyr"]) > 0
    assert told["backtest"]["days"] == 14
    for name in ("model", "baseline"):
        assert float(told["backtest"][name]["meanAbsoluteErrorMyr"]) > 0
    assert told["points"][0]["date"] > time.strftime("%Y-%m-%d", time.gmtime(start))
    longer = await got(client, "/api/v1/prices/milk/forecast?days=60")
    assert longer["points"][:3] == told["points"]
    assert len(longer["points"]) == 60


async def test_a_batch_is_told_with_subsidy_recall_and_finality(
    ledger: Ledger, client: Client
) -> None:
    one = await ledger.block(accepted(1, 300), paid_out(1))
    await ledger.block(accepted(2, 100, dairy=OTHER_DAIRY, second=b"\x42" * 20))
    await ledger.block(accepted(3, 50), paid_out(3, "PayoutOwed"))
    await ledger.deepen(safe=one, final=one)
    found = await got(client, f"/api/v1/batches/{batch_id(1)}")
    assert found == found | {
        "dairy": format_address(DAIRY),
        "litres": "300",
        "sensors": [format_address(SENSOR)],
        "recall": None,
        "finality": "finalized",
        "blockHash": "0x" + one.hash.hex(),
        "subsidy": {"earnedUnits": "7", "paidUnits": "7", "owedUnits": "0"},
    }
    assert found["pasteurisation"] == {
        "temperatureCelsius": "72.5",
        "holdingSeconds": "16",
        "startedAt": "2026-04-10T07:30:00Z",
        "endedAt": "2026-04-10T08:00:00Z",
    }
    await ledger.block(recalled(1, "listeria"))
    found = await got(client, f"/api/v1/batches/{batch_id(1)}")
    assert found["recall"]["reason"] == "listeria"
    page = await got(client, "/api/v1/batches?limit=2")
    assert [item["id"] for item in page["data"]] == [batch_id(3), batch_id(2, OTHER_DAIRY)]
    assert [len(item["sensors"]) for item in page["data"]] == [1, 2]
    assert page["data"][0]["subsidy"]["owedUnits"] == "7"
    rest = await got(client, f"/api/v1/batches?limit=2&before={page['next']}")
    assert [item["id"] for item in rest["data"]] == [batch_id(1)]
    mine = await got(client, f"/api/v1/batches?dairy={format_address(OTHER_DAIRY)}")
    assert [item["id"] for item in mine["data"]] == [batch_id(2, OTHER_DAIRY)]
    # A proof is made by the indexer, a moment after.
    assert (await got(client, found["proof"], 503))["code"] == "proof_pending"
    for path, status, code in (
        (f"/api/v1/batches/{batch_id(9)}", 404, "batch_not_found"),
        ("/api/v1/batches/bat_x", 404, "batch_not_found"),
        (f"/api/v1/batches/{batch_id(9)}/proof", 404, "batch_not_found"),
        ("/api/v1/batches?dairy=milk", 400, "address_invalid"),
        ("/api/v1/batches?before=1", 400, "before_invalid"),
    ):
        assert (await got(client, path, status))["code"] == code


async def test_an_order_leads_back_to_the_batches_in_circulation_at_its_block(
    ledger: Ledger, client: Client
) -> None:
    order = await client.order("7.20")
    path = f"/api/v1/orders/{order['id']}/batches"
    assert (await got(client, path, 409))["code"] == "order_not_paid"
    await ledger.block(accepted(1, 300), accepted(2, 100, dairy=OTHER_DAIRY))
    # Half of everything is burned, and a faucet makes as much as is left.
    await ledger.block(Pay(NOBODY, "200", tx("burn"), sender=DAIRY))
    await ledger.block(Pay(PAYER, "200", tx("faucet"), sender=NOBODY))
    paid = await ledger.block(Pay(order["orderAddress"], "1", tx("paid")))
    # What is minted afterwards had no part in it.
    await ledger.block(accepted(3, 5_000))
    found = await got(client, path)
    assert found == found | {
        "rule": "pro_rata",
        "litres": "1",
        "supply": "400",
        "unattestedLitres": "0.5",
        "dairies": [
            {"dairy": format_address(DAIRY), "litres": "0.375"},
            {"dairy": format_address(OTHER_DAIRY), "litres": "0.125"},
        ],
        "otherBatches": {"count": 0, "litres": "0"},
        "asOf": {"blockNumber": paid.number, "blockHash": "0x" + paid.hash.hex()},
    }
    assert [
        (item["id"], item["remainingLitres"], item["fraction"]) for item in found["batches"]
    ] == [
        (batch_id(1), "150", "0.375000000"),
        (batch_id(2, OTHER_DAIRY), "50", "0.125000000"),
    ]
    missing = await got(client, "/api/v1/orders/ord_" + "0" * 26 + "/batches", 404)
    assert missing["code"] == "order_not_found"


async def test_a_sale_after_too_long_a_history_is_not_attributed_nor_will_it_be(
    ledger: Ledger, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MAX_SUPPLY_CHANGES", 1)
    for name in (1, 2):
        order = await client.order("7.20")
        await ledger.block(accepted(name, 300))
        await ledger.block(Pay(order["orderAddress"], "1", tx(order["id"])))
        path = f"/api/v1/orders/{order['id']}/batches"
        status, told, headers = await client.call("GET", path)
        if name == 1:
            assert status == 200
    assert (status, told["code"], told["param"]) == (404, "attribution_too_large", "id")
    assert told["retryable"] is False
    assert "retry-after" not in headers


def market_said(name: str, **arguments: Any) -> Said:
    values = {key: str(value) for key, value in arguments.items()}
    return Said("milk_market", name, values, tx((name, sorted(values.items()))))


async def test_the_market_shows_offers_and_what_became_of_purchases(
    ledger: Ledger, client: Client
) -> None:
    supplier, dairy = "0x" + "61" * 20, "0x" + DAIRY.hex()
    later = int(time.time()) + 5_000
    terms = {"supplier": supplier, "kind": 1, "price": LITRE, "description_hash": "0x" + "07" * 32}
    times = {"deadline": later, "delivery_seconds": 600}
    await ledger.block(
        *(
            market_said("OfferListed", offer_id=number, quantity=4, **terms, **times)
            for number in (1, 2)
        ),
        market_said("OfferListed", offer_id=3, quantity=4, **terms | times | {"deadline": 5}),
        market_said("OfferWithdrawn", offer_id=2),
    )
    bought = {"offer_id": 1, "dairy": dairy, "supplier": supplier, "settlement_per_litre": 3}
    for number, quantity in ((1, 1), (2, 1), (3, 1), (4, 1)):
        deadline = 7 if number == 1 else later
        await ledger.block(
            market_said(
                "Purchased",
                purchase_id=number,
                quantity=quantity,
                units=LITRE,
                deadline=deadline,
                **bought,
            )
        )
    await ledger.block(
        market_said("DeliveryReported", purchase_id=2, deadline=later),
        market_said("Disputed", purchase_id=2, deadline=later),
        market_said(
            "Redeemed", purchase_id=3, supplier=supplier, dairy=dairy, units=LITRE, settlement=3
        ),
        market_said(
            "Redeemed", purchase_id=4, supplier=supplier, dairy=dairy, units=1, settlement=1
        ),
        market_said("Refunded", purchase_id=4, dairy=dairy, units=LITRE - 1),
    )
    offers = await got(client, f"/api/v1/market/offers?supplier={supplier}")
    assert [(item["id"], item["status"], item["left"]) for item in offers["data"]] == [
        ("3", "expired", "4"),
        ("2", "withdrawn", "4"),
        ("1", "sold_out", "0"),
    ]
    purchases = await got(client, f"/api/v1/market/purchases?dairy={dairy}&limit=3")
    assert [(item["id"], item["status"], item["redeemed"]) for item in purchases["data"]] == [
        ("4", "split", "0.000000000000000001"),
        ("3", "redeemed", "1"),
        ("2", "disputed", "0"),
    ]
    rest = await got(client, f"/api/v1/market/purchases?before={purchases['next']}")
    assert [(item["status"], item["isOverdue"]) for item in rest["data"]] == [("ordered", True)]
    # A reorganisation takes the judgement back.
    await ledger.reorganise(1, [])
    again = await got(client, f"/api/v1/market/purchases?supplier={supplier}&limit=1")
    assert again["data"][0]["status"] == "ordered"
    assert (await got(client, f"/api/v1/market/offers?supplier={dairy}"))["data"] == []
    assert (await got(client, "/api/v1/market/offers?supplier=x", 400))["param"] == "supplier"
