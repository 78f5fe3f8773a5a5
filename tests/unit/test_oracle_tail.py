"""The shared tail of the journal gives each client exactly what it misses."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ledger.audience import EVERYTHING, Audience
from ledger.store.journal import JournalEvent
from oracle_api.stream.form import SERVER_SENT, SOCKET, Form
from oracle_api.stream.tail import Tail, message_of


def event(seq: int) -> JournalEvent:
    moment = datetime(2026, 4, 10, 8, 15, 23, 42_000, tzinfo=UTC)
    return JournalEvent(seq, "order.paid", "ord_x", {"orderId": "ord_x", "n": "x" * seq}, moment)


def numbers(body: bytes) -> list[int]:
    if body.startswith(b"["):
        return [message["id"] for message in json.loads(body)]
    return [int(text) for text in re.findall(rb"^id: (\d+)$", body, re.MULTILINE)]


def test_an_event_is_written_as_the_event_stream_format_wants() -> None:
    assert SERVER_SENT.write([message_of(event(3))]) == (
        b"event: order.paid\nid: 3\n"
        b'data: {"id":"evt_0000000000000003","type":"order.paid",'
        b'"createdAt":"2026-04-10T08:15:23.042Z","data":{"orderId":"ord_x","n":"xxx"}}\n\n'
    )


def test_a_frame_holds_the_same_messages_as_an_array() -> None:
    messages = [message_of(event(3)), message_of(event(4))]
    frame = json.loads(SOCKET.write(messages))
    assert [(one["event"], one["id"]) for one in frame] == [("order.paid", 3), ("order.paid", 4)]
    assert [one["data"] for one in frame] == [json.loads(message.data) for message in messages]


@given(
    form=st.sampled_from([SERVER_SENT, SOCKET]),
    start=st.integers(min_value=0, max_value=50),
    sizes=st.lists(st.integers(min_value=1, max_value=9), max_size=12),
    max_events=st.integers(min_value=1, max_value=60),
    behind=st.integers(min_value=0, max_value=60),
)
def test_every_place_is_continued_without_gap_or_repetition(
    form: Form, start: int, sizes: list[int], max_events: int, behind: int
) -> None:
    tail = Tail(start, max_events=max_events)
    seq = start
    for size in sizes:
        tail.append([event(seq + 1 + index) for index in range(size)])
        seq += size
    place = max(start, seq - behind)
    if not tail.reaches_back_to(place):
        assert seq - place > max_events
        return
    seen: list[int] = []
    while True:
        part, place_after = tail.after(seen[-1] if seen else place, form)
        if not part:
            break
        got = numbers(part)
        assert got[-1] == place_after
        seen += got
    assert seen == list(range(place + 1, seq + 1))


def test_what_is_too_old_is_forgotten_and_said_to_be() -> None:
    tail = Tail(0, max_events=10)
    for seq in range(1, 101):
        tail.append([event(seq)])
    assert not tail.reaches_back_to(0)
    assert tail.reaches_back_to(90)
    assert tail.reaches_back_to(100)
    assert tail.after(100, SOCKET) == (b"", 100)


@given(
    form=st.sampled_from((SERVER_SENT, SOCKET)),
    makers=st.lists(
        st.tuples(st.sampled_from(("north", "south")), st.sampled_from(("ada", "ben", None))),
        min_size=1,
        max_size=24,
    ),
    size=st.integers(min_value=1, max_value=7),
    place=st.integers(min_value=0, max_value=24),
)
def test_each_audience_gets_its_own_events_and_no_others(
    form: Form, makers: list[tuple[str, str | None]], size: int, place: int
) -> None:
    events = [
        replace(event(number), store_id=store, account_id=account)
        for number, (store, account) in enumerate(makers, start=1)
    ]
    tail = Tail(0, max_events=100)
    for start in range(0, len(events), size):
        tail.append(events[start : start + size])
    for audience in (
        EVERYTHING,
        Audience(store_id="north"),
        Audience(account_id="ada"),
        Audience(account_id="nobody"),
    ):
        # Twice: what is shared between the tills of a store is made by the first.
        for _ in range(2):
            told: list[int] = []
            seq = place
            while seq < tail.last_seq:
                part, seq = tail.after(seq, form, audience)
                told += numbers(part) if part else []
            assert told == [
                one.seq
                for one in events
                if one.seq > place and audience.includes(one.store_id, one.account_id)
            ]
