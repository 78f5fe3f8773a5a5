"""A student's points and coupons over HTTP, and what a stranger may not learn of them."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from oracle_support import ANYWHERE, Client, Ledger, Pay, served, settings_for, tx

from ledger.errors import RejectedError
from oracle_api.access.principal import OPEN
from oracle_api.idempotency import idempotency_key
from oracle_api.loyalty.students import students_of
from oracle_api.orders.requests import NewOrderRequest

STUDENT = "1211103456"
BALANCE = "/api/v1/loyalty/balance"


async def balance(client: Client, student: str = STUDENT, **more: Any) -> Any:
    status, document, headers = await client.call(
        "POST", BALANCE, json={"studentId": student} | more
    )
    assert status == 200, document
    assert headers["cache-control"] == "no-store"
    return document


async def buy(client: Client, ledger: Ledger, count: int) -> list[str]:
    keys = [secrets.token_hex(8) for _ in range(count)]
    orders = [await client.order(studentId=STUDENT, key=key) for key in keys]
    await ledger.block(*(Pay(one["orderAddress"], "0.25", tx(one["id"])) for one in orders))
    return [order["id"] for order in orders]


async def redeem(client: Client, coupon: str, key: str | None = "till-1") -> tuple[int, Any, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    path = f"/api/v1/loyalty/coupons/{coupon}/redeem"
    return await client.call("POST", path, headers=headers)


async def test_five_milks_make_a_coupon_for_one_more(client: Client, ledger: Ledger) -> None:
    assert (await balance(client))["points"] == 0
    ids = await buy(client, ledger, 4)
    await client.order(studentId=STUDENT)  # not paid, no point
    told = await balance(client, STUDENT)
    assert (told["points"], told["coupons"]) == (4, [])
    assert {entry["orderId"] for entry in told["history"]} == set(ids)
    async with client.stream() as stream:
        await stream.next()
        (fifth,) = await buy(client, ledger, 1)
        events = [await stream.next() for _ in range(4)]
    told = await balance(client)
    (coupon,) = told["coupons"]
    assert (told["points"], coupon["status"], coupon["orderId"]) == (0, "usable", fifth)
    assert [entry["kind"] for entry in told["history"][:2]] == ["redeem", "earn"]
    types = [event.event for event in events]
    assert types == ["order.created", "order.paid", "loyalty.earned", "loyalty.coupon_made"]
    # Whoever hears the stream could otherwise drink the milk.
    assert not any(coupon["id"] in str(event.data) for event in events)

    status, image, headers = await client.call("GET", coupon["qrPath"])
    assert (status, headers["content-type"]) == (200, "image/svg+xml")
    assert b"<svg" in image

    status, used, _ = await redeem(client, coupon["id"])
    assert (status, used["status"]) == (200, "used")
    status, again, headers = await redeem(client, coupon["id"])
    assert (status, again, headers["idempotent-replayed"]) == (200, used, "true")
    for other in ("till-2", "till-3"):
        status, refusal, _ = await redeem(client, coupon["id"], other)
        assert (status, refusal["code"]) == (409, "coupon_used")
    status, refusal, _ = await client.call("GET", coupon["qrPath"])
    assert (status, refusal["code"]) == (409, "coupon_used")
    status, refusal, _ = await redeem(client, coupon["id"], None)
    assert (status, refusal["code"]) == (400, "idempotency_key_missing")


async def test_a_reversed_milk_takes_its_coupon_along(client: Client, ledger: Ledger) -> None:
    await buy(client, ledger, 5)
    (coupon,) = (await balance(client))["coupons"]
    await ledger.reorganise(1, [])
    told = await balance(client)
    assert (told["points"], told["coupons"][0]["status"]) == (0, "voided")
    status, refusal, _ = await redeem(client, coupon["id"])
    assert (status, refusal["code"]) == (409, "coupon_voided")


async def test_a_hundred_tills_get_one_milk(client: Client, ledger: Ledger) -> None:
    await buy(client, ledger, 5)
    (coupon,) = (await balance(client))["coupons"]
    answers = await asyncio.gather(
        *(redeem(client, coupon["id"], f"till-{number}") for number in range(100))
    )
    assert sorted(status for status, _, _ in answers) == [200] + [409] * 99


async def test_long_histories_come_in_pages(client: Client, ledger: Ledger) -> None:
    await buy(client, ledger, 50)
    await buy(client, ledger, 50)
    first = await balance(client)
    assert (len(first["history"]), first["hasMore"], len(first["coupons"])) == (100, True, 20)
    rest = await balance(client, before=first["next"])
    assert (len(rest["history"]), rest["hasMore"], rest["next"]) == (20, False, None)


async def test_a_student_id_is_nowhere_in_the_clear(
    client: Client, ledger: Ledger, capfd: pytest.CaptureFixture[str]
) -> None:
    order = await client.order(studentId=STUDENT, key="mine")
    await client.call("POST", BALANCE, json={"studentId": STUDENT, "before": 0})
    await client.call("POST", BALANCE, json={"studentId": f" {STUDENT}"})
    await ledger.block(Pay(order["orderAddress"], "0.25", tx("t")))
    tables = [
        row["tablename"]
        for row in await ledger.connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
    ]
    rows = [
        str(row)
        for table in tables
        for row in await ledger.connection.fetch(f"SELECT t::text FROM {table} t")  # noqa: S608
    ]
    assert any(order["id"] in row for row in rows)
    seen = "".join([*rows, json.dumps(order), *capfd.readouterr()])
    assert STUDENT not in seen
    assert STUDENT.encode().hex() not in seen
    # Nor can it be found by trying all ids against what is stored of the request.
    digest = await ledger.connection.fetchval(
        "SELECT request_digest FROM idempotency WHERE key = 'mine'"
    )
    customer = await ledger.connection.fetchval(
        "SELECT customer FROM orders WHERE id = $1", order["id"]
    )
    assert len(customer) == 32
    request = NewOrderRequest(amountMyr="1.80", studentId=STUDENT)
    for known, is_same in ((None, False), (customer, True)):
        key = idempotency_key(
            "mine", OPEN, route="POST /api/v1/orders", request=request.canonical(known)
        )
        assert (key.request_digest == digest) is is_same


async def test_the_same_key_for_another_student_is_refused(client: Client) -> None:
    await client.order(studentId=STUDENT, key="k")
    assert (await client.order(studentId=STUDENT, key="k"))["status"] == "awaiting_payment"
    status, refusal, _ = await client.call(
        "POST",
        "/api/v1/orders",
        json={"amountMyr": "1.80", "studentId": "other"},
        headers={"Idempotency-Key": "k"},
    )
    assert (status, refusal["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    "student", ["", " 1", "1 ", "-1", "x" * 33, "a\nb", "a\n", "é", "\uff11", "a;b", 7, ["a"], {}]
)
async def test_what_is_no_student_id_is_refused_and_not_repeated(
    lonely: Client, student: Any
) -> None:
    for path, body in (
        (BALANCE, {"studentId": student}),
        ("/api/v1/orders", {"amountMyr": "1", "studentId": student}),
    ):
        status, refusal, _ = await lonely.call(
            "POST", path, json=body, headers={"Idempotency-Key": "k"}
        )
        assert (status, refusal["code"], refusal["param"]) == (
            400,
            "parameter_invalid",
            "studentId",
        )
        if student and isinstance(student, str) and len(student) > 2:
            assert student not in json.dumps(refusal, ensure_ascii=False)


@pytest.mark.parametrize(
    "coupon", ["cpn_", "cpn_" + "0" * 26, "cpn_" + "u" * 26, "ord_" + "0" * 26, "x' OR 1=1--"]
)
async def test_what_is_no_coupon_is_not_found(client: Client, coupon: str) -> None:
    for method, path in (("POST", "redeem"), ("GET", "qr.svg")):
        status, refusal, _ = await client.call(
            method,
            f"/api/v1/loyalty/coupons/{coupon}/{path}",
            headers={"Idempotency-Key": "k"},
        )
        assert (status, refusal["code"]) == (404, "coupon_not_found")


async def test_points_outlive_a_process_only_with_a_key(ledger: Ledger) -> None:
    """With the operator's key another replica finds the same student; made-up keys differ."""
    key = {"student_hash_key": "ab" * 32}
    found = []
    for settings in ({}, key, key):
        async with served(settings_for(ledger.url, **settings)) as client:
            await buy(client, ledger, 1)
            found.append((await balance(client))["points"])
    assert found == [1, 1, 2]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "pay.example.org"])  # noqa: S104
def test_beyond_loopback_no_key_is_made_up(host: str) -> None:
    students = students_of(settings_for(ANYWHERE, oracle_host=host))
    with pytest.raises(RejectedError) as caught:
        students.customer(STUDENT)
    assert caught.value.code == "loyalty_off"
    assert students.customer(None) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_each_process_makes_its_own(host: str) -> None:
    settings = settings_for(ANYWHERE, oracle_host=host)
    assert students_of(settings).customer("1") != students_of(settings).customer("1")


def test_a_key_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("AB" * 32 + "\n")
    file.chmod(0o600)
    from_file = students_of(settings_for(ANYWHERE, student_hash_key_file=file))
    direct = students_of(settings_for(ANYWHERE, student_hash_key="ab" * 32))
    assert from_file.customer("1") == direct.customer("1")
    for wrong in ("", "ab" * 31, "zz" * 32):
        file.write_text(wrong)
        with pytest.raises(RejectedError, match="64 hex digits") as caught:
            students_of(settings_for(ANYWHERE, student_hash_key_file=file))
        assert not wrong or wrong not in str(caught.value)
    with pytest.raises(RejectedError, match="BILLCOIN_STUDENT_HASH_KEY_FILE"):
        students_of(settings_for(ANYWHERE, student_hash_key_file=tmp_path / "none"))
