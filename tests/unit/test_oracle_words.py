"""Small readers and writers of the API: preferences, times, QR codes, counts."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.confidence import Doubt
from ledger.order import Status
from ledger.store.journal import JournalEvent
from ledger.store.tally import Tally
from ledger.verdict import Code
from oracle_api.confidence import DOUBT_DETAIL
from oracle_api.metrics import OrderTotals
from oracle_api.orders.qr import payment_qr_svg
from oracle_api.preference import applied, preferred_wait
from oracle_api.problems import problem_of
from oracle_api.times import rfc3339, rfc3339_seconds

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"wait=5", 5),
        (b"WAIT=5", 5),
        (b'wait="5"', 5),
        (b"respond-async, wait=5", 5),
        (b"wait=5, respond-async", 5),
        (b"wait = 5; foo", 5),
        (b"wait=999999", 30),
        (b"wait=0", 0),
        (b"wait=-5", 0),
        (b"wait=5.5", 0),
        (b"wait=1e3", 0),
        (b"wait=", 0),
        (b"await=5", 0),
        (b"wait=9999999", 0),
        (b"\xff", 0),
    ],
)
def test_a_wait_is_read_bounded_or_ignored(value: bytes, seconds: float) -> None:
    assert preferred_wait([(b"prefer", value)], max_seconds=30) == seconds


def test_an_honoured_wait_is_said() -> None:
    assert preferred_wait([(b"host", b"wait=5")], max_seconds=30) == 0
    assert applied(0) == ()
    assert applied(5.0) == ((b"preference-applied", b"wait=5"),)


def test_times_are_utc_with_a_z() -> None:
    assert rfc3339_seconds(1_775_808_923) == "2026-04-10T08:15:23Z"
    moment = datetime(2026, 4, 10, 8, 15, 23, 42_999, tzinfo=UTC)
    assert rfc3339(moment) == "2026-04-10T08:15:23.042Z"


def test_a_qr_code_is_small_enough_to_scan_from_30_cm() -> None:
    token, payee = "0x" + "Ab" * 20, "0x" + "cD" * 20
    longest = f"ethereum:{token}@{2**63 - 1}/transfer?address={payee}&uint256={10**24}"
    svg = payment_qr_svg(longest).decode()
    match = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    assert match is not None
    # 4 modules of quiet zone on each side. A phone tells modules of 0.4 mm apart at 30 cm: on a
    # till 6 cm of code are enough for up to 150.
    assert match[1] == match[2]
    assert int(match[1]) <= 69
    assert "#fff" in svg
    assert "#000" in svg


def event(kind: str, status: str, previous: str | None, *, was_paid: bool = False) -> JournalEvent:
    data = {"status": status, "previousStatus": previous, "wasPaid": was_paid}
    return JournalEvent(1, f"order.{kind}", "ord_x", data, datetime.now(UTC))


def test_an_order_is_counted_once_however_often_it_is_paid() -> None:
    totals = OrderTotals()
    assert list(totals.collect()) == []
    with pytest.raises(RuntimeError):
        totals.add([])
    totals.start(Tally(0, {Status.PAID: 1}, 1))
    totals.add(
        [
            event("created", "awaiting_payment", None),
            event("paid", "paid", "awaiting_payment"),
            event("reversed", "reversed", "paid", was_paid=True),
            event("detected", "detected", "reversed", was_paid=True),
            event("paid", "paid", "detected", was_paid=True),
            event("updated", "paid", "paid", was_paid=True),
            # Found final at once: it tells `paid` on its way.
            event("created", "awaiting_payment", None),
            event("paid", "settled", "awaiting_payment"),
            event("settled", "settled", "awaiting_payment"),
        ]
    )
    success, orders = totals.collect()
    assert success.samples[0].value == 3
    counts = {one.labels["status"]: one.value for one in orders.samples if one.value}
    assert counts == {"paid": 2, "settled": 1}


def test_every_doubt_has_words_and_nothing_unknown_leaks() -> None:
    assert DOUBT_DETAIL.keys() == {str(doubt) for doubt in Doubt}
    reply = problem_of(KeyError("secret"), request_id="req_1")
    assert reply.status == 500
    assert b"secret" not in reply.body


def test_every_verdict_has_exactly_one_row_that_says_what_to_do() -> None:
    guide = (DOCS / "partner.md").read_text(encoding="utf-8")
    section = guide.partition("## What each code means\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", section, re.MULTILINE)
    assert sorted(code for code, _ in rows) == sorted(map(str, Code))
    assert all(remedy.strip() for _, remedy in rows)
