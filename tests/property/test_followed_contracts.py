"""Events of followed contracts come out as they were logged; what only looks like one is none."""

import json
import pickle
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st
from lean import search

from contracts.abi import canonical_type, events_by_topic
from contracts.artifact import AbiEntry
from contracts.event_log import FOLLOWED
from contracts.followed import Contract, EventDecoder
from ledger.contract_event import ContractEvent, canonical_arguments
from ledger.units import UINT256_MAX

ADDRESSES = {contract: bytes([place + 1]) * 20 for place, contract in enumerate(Contract)}
DECODER = EventDecoder(tuple(ADDRESSES.items()))
EVENTS: list[tuple[Contract, bytes, AbiEntry]] = [
    (contract, topic, entry)
    for contract, followed in FOLLOWED.items()
    for topic, entry in events_by_topic(followed.artifact()).items()
    if entry["name"] in followed.events
]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "address": st.binary(min_size=20, max_size=20),
    "bool": st.booleans(),
    "bytes32": st.binary(min_size=32, max_size=32),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "uint8": st.integers(0, 255),
    "uint256": st.integers(0, UINT256_MAX),
    "string": st.text(max_size=40),
}


def values_of(field: dict[str, Any]) -> st.SearchStrategy[Any]:
    kind: str = field["type"]
    if kind.endswith("[]"):
        return st.lists(values_of({**field, "type": kind[:-2]}), max_size=3)
    if kind == "tuple":
        return st.tuples(*(values_of(part) for part in field["components"]))
    return VALUES[kind]


def shown(field: dict[str, Any], value: Any) -> Any:
    """What an argument has to read as."""
    kind: str = field["type"]
    if kind.endswith("[]"):
        return [shown({**field, "type": kind[:-2]}, item) for item in value]
    if kind == "tuple":
        return {
            part["name"]: shown(part, item)
            for part, item in zip(field["components"], value, strict=True)
        }
    if isinstance(value, bool):
        return value
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value.replace("\0", "\ufffd") if isinstance(value, str) else str(value)


def log_of(contract: Contract, topic: bytes, entry: AbiEntry, values: list[Any]) -> dict[str, Any]:
    indexed: list[tuple[str, Any]] = []
    plain: list[tuple[str, Any]] = []
    for field, value in zip(entry["inputs"], values, strict=True):
        (indexed if field["indexed"] else plain).append((canonical_type(field), value))
    topics = [topic, *(encode([kind], [value]) for kind, value in indexed)]
    data = encode([kind for kind, _ in plain], [value for _, value in plain])
    return {
        "address": "0x" + ADDRESSES[contract].hex(),
        "topics": ["0x" + item.hex() for item in topics],
        "data": "0x" + data.hex(),
    }


def read(*receipts: list[dict[str, Any]]) -> tuple[ContractEvent, ...]:
    hashes = [bytes([index]) * 32 for index in range(len(receipts))]
    return DECODER([{"logs": logs} for logs in receipts], tx_hashes=hashes)


@st.composite
def logged(draw: st.DrawFn) -> tuple[dict[str, Any], Contract, AbiEntry, list[Any]]:
    contract, topic, entry = draw(st.sampled_from(EVENTS))
    values = [draw(values_of(field)) for field in entry["inputs"]]
    return log_of(contract, topic, entry, values), contract, entry, values


@search()
@given(drawn=logged(), upper=st.booleans())
def test_reads_back_what_was_logged(
    drawn: tuple[dict[str, Any], Contract, AbiEntry, list[Any]], *, upper: bool
) -> None:
    log, contract, entry, values = drawn
    if upper:  # as some nodes write
        log = {
            "address": "0x" + log["address"][2:].upper(),
            "topics": ["0x" + topic[2:].upper() for topic in log["topics"]],
            "data": "0x" + log["data"][2:].upper(),
        }
    foreign = {"address": "0x" + "99" * 20, "topics": log["topics"], "data": log["data"]}
    (event,) = read([foreign], [foreign, log])
    assert event[:5] == (2, 1, b"\1" * 32, contract.value, entry["name"])
    pairs = zip(entry["inputs"], values, strict=True)
    assert event.arguments == {field["name"]: shown(field, value) for field, value in pairs}
    # What is hashed and exported says the same, and no text in it is one that Postgres refuses.
    text = canonical_arguments(event.arguments)
    assert json.loads(text) == event.arguments
    assert "\\u0000" not in text


@search()
@given(
    drawn=logged(),
    topics=st.lists(st.binary(min_size=32, max_size=32), max_size=4),
    data=st.binary(max_size=300),
    keep_topic=st.booleans(),
)
def test_any_log_of_a_followed_contract_is_an_event_or_none(
    drawn: tuple[dict[str, Any], Contract, AbiEntry, list[Any]],
    topics: list[bytes],
    data: bytes,
    *,
    keep_topic: bool,
) -> None:
    log, _, entry, _ = drawn
    names = ["0x" + topic.hex() for topic in topics]
    if keep_topic:
        names = [log["topics"][0], *names[1:]]
    for event in read([{**log, "topics": names, "data": "0x" + data.hex()}]):
        assert (
            set(event.arguments) == {field["name"] for field in entry["inputs"]} or not keep_topic
        )


def accepted() -> dict[str, Any]:
    contract, topic, entry = next(item for item in EVENTS if item[2]["name"] == "BatchAccepted")
    kinds = {"address": b"\x51" * 20, "bytes32": b"\x07" * 32}
    values = [kinds.get(field["type"], 5) for field in entry["inputs"]]
    return log_of(contract, topic, entry, values)


LOG = accepted()
DIRTY = "0x" + "01" + "00" * 11 + "51" * 20
LOOK_ALIKES = {
    "of another contract": {"address": "0x" + "99" * 20},
    "of another followed contract": {"address": "0x" + ADDRESSES[Contract.MILK_MARKET].hex()},
    "of an event that nobody follows": {"topics": ["0x" + "01" * 32, *LOG["topics"][1:]]},
    "without topics": {"topics": []},
    "with a topic too few": {"topics": LOG["topics"][:3]},
    "with a topic too many": {"topics": [*LOG["topics"], LOG["topics"][2]]},
    "with an address that is none": {"topics": [LOG["topics"][0], DIRTY, *LOG["topics"][2:]]},
    "with data cut short": {"data": LOG["data"][:-2]},
    "with data too long": {"data": LOG["data"] + "00"},
    "without data": {"data": "0x"},
}


@pytest.mark.parametrize("changes", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_what_only_looks_like_an_event_is_none(changes: dict[str, Any]) -> None:
    assert [event.name for event in read([LOG])] == ["BatchAccepted"]
    assert read([LOG | changes]) == ()


def test_a_text_that_is_no_text_does_not_hide_its_event() -> None:
    contract, topic, entry = next(item for item in EVENTS if item[2]["name"] == "BatchRecalled")
    values = [b"\x51" * 20, b"\x07" * 32, 1, 2, "reason"]
    log = log_of(contract, topic, entry, values)
    (event,) = read([log | {"data": log["data"].replace(b"reason".hex(), b"\xff\0ason".hex())}])
    assert event.arguments["reason"] == "\ufffd\ufffdason"


def test_a_decoder_travels_to_a_worker_process() -> None:
    assert read([LOG])
    copied = pickle.loads(pickle.dumps(DECODER))  # noqa: S301 - our own
    assert copied == DECODER
    assert copied([{"logs": [LOG]}], tx_hashes=[bytes(32)]) == read([LOG])


def test_a_ledger_that_follows_nothing_reads_nothing() -> None:
    assert EventDecoder(())([{"logs": [LOG]}], tx_hashes=[bytes(32)]) == ()


@pytest.mark.parametrize("contract", Contract)
def test_every_followed_event_is_one_of_its_contract(contract: Contract) -> None:
    names = {entry["name"] for found, _, entry in EVENTS if found is contract}
    assert names == set(FOLLOWED[contract].events)
