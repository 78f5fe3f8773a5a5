"""Compiled code answers as the Python that it stands in for would, or leaves it to that Python."""

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st
from lean import search
from proof_vectors import BlockVector, recorded_vectors, shared_vectors
from python_alone import CALLED, needs_headers, python_alone
from tampering import committed_paths, get, list_paths, put, without

from ledger import usual
from ledger.block import prove_block
from ledger.header import encode_header
from ledger.json_hex import UnprovenError, read_data
from ledger.receipts import encode_receipt
from ledger.transactions import encode_transaction
from ledger.transfer import TRANSFER_TOPIC, Transfer, read_transfers
from ledger.usual import ADDRESS_OR_NONE, ANY_LENGTH, EMPTY_LIST, QUANTITY

pytestmark = needs_headers

RECORDED = recorded_vectors()
VECTORS = [vector for vector in [*RECORDED, *shared_vectors()] if vector.has_receipts]
TOKEN = bytes(range(20))

DIGITS = st.text("0123456789abcdefABCDEF", max_size=140)
# What a field may hold: nearly right, wrong, of another type, or of another alphabet.
VALUES = st.one_of(
    DIGITS.map(lambda digits: "0x" + digits),
    st.binary(max_size=70).map(lambda data: "0x" + data.hex()),
    st.integers(0, 2**260).map(hex),
    st.sampled_from([2, 8, 20, 32, 256]).map(lambda length: "0x" + length * "7f"),
    st.sampled_from(["", "0", "0x", "0X12", "0x0", "0x00", "0x7f", "0x80", "0x1_0", "0x 1", "x0"]),
    st.text(max_size=5),
    st.text(max_size=4).map(lambda text: "0x" + text),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def outcome(do: Callable[[], Any]) -> Any:
    """What comes of it: a result, or an error's code and words."""
    try:
        return do()
    except UnprovenError as refused:
        return refused.code, str(refused)
    except (AttributeError, KeyError, TypeError) as error:
        return type(error)  # `prove_block` tells all these alike


def expect_the_same(do: Callable[[], Any]) -> None:
    together = outcome(do)
    with python_alone():
        assert outcome(do) == together


def usually(vector: BlockVector) -> list[tuple[Any, Any]]:
    """What compiled code makes of a vector's objects, each with what Python alone makes of it."""
    pairs: list[tuple[Any, Any]] = []
    for receipt in vector.receipts:
        with python_alone():
            whole = encode_receipt(receipt)
        payload = whole if receipt.get("type", "0x0") == "0x0" else whole[1:]
        pairs.append((usual.encode_receipt(receipt), payload))
    hashes = (bytes(32),) * len(vector.receipts)
    with python_alone():
        transfers = read_transfers(vector.receipts, tx_hashes=hashes, token=vector.token)
    found = usual.read_transfers(vector.receipts, hashes, TRANSFER_TOPIC, vector.token, Transfer)
    return [*pairs, (found, list(transfers))]


def test_it_is_compiled_here() -> None:
    assert usual.encode_receipt.__module__ == "ledger._usual"


@pytest.mark.parametrize("vector", RECORDED, ids=repr)
def test_nothing_that_a_chain_of_today_answers_is_unusual(vector: BlockVector) -> None:
    """Else the speed would be lost, and nothing would tell."""
    for compiled, clear in usually(vector):
        assert compiled == clear


@pytest.mark.parametrize("vector", VECTORS, ids=repr)
def test_a_block_is_proven_alike(vector: BlockVector) -> None:
    expect_the_same(lambda: encode_header(vector.block))
    expect_the_same(lambda: [encode_receipt(receipt) for receipt in vector.receipts])
    expect_the_same(lambda: [encode_transaction(item) for item in vector.block["transactions"]])
    expect_the_same(vector.prove)


@st.composite
def corrupted(draw: st.DrawFn, value: Any) -> Any:
    """A value that is nearly the right one, or not at all."""
    if not isinstance(value, str) or len(value) < 3 or draw(st.integers(0, 4)) == 0:
        return draw(VALUES)
    place = draw(st.integers(0, len(value) - 1))
    character = draw(st.sampled_from("0fFgG _-+xX:@`/\n\uff11\u0661"))
    cut = draw(st.integers(0, 2))  # 0 inserts, 2 takes away one beside the one replaced
    return value[:place] + character + value[place + cut :]


@search(400)
@given(vector=st.sampled_from(VECTORS), data=st.data())
def test_a_corrupted_block_is_encoded_or_refused_alike(
    vector: BlockVector, data: st.DataObject
) -> None:
    """Field by field, for a block as a whole is refused with whatever differs."""
    path = data.draw(st.sampled_from([*committed_paths(vector), *list_paths(vector)]))
    changed = put(vector, path, data.draw(corrupted(get(vector, path))))
    if isinstance(path[-1], str) and len(path) > 1 and data.draw(st.integers(0, 9)) == 0:
        changed = without(vector, path)
    block, receipts = changed.block, changed.receipts
    expect_the_same(lambda: encode_header(block))
    expect_the_same(lambda: [encode_transaction(item) for item in block["transactions"]])
    expect_the_same(lambda: [encode_receipt(receipt) for receipt in receipts])
    expect_the_same(lambda: prove_block(block, receipts, expected_hash=None, token=TOKEN))


@search(300)
@given(data=st.data(), length=st.integers(0, 70))
def test_data_is_read_alike(data: st.DataObject, length: int) -> None:
    right = "0x" + data.draw(st.binary(min_size=length, max_size=length)).hex()
    value = data.draw(st.one_of(st.just(right), corrupted(right)))
    expect_the_same(lambda: read_data(value, field="data", length=length))


@search(300)
@given(
    st.lists(st.tuples(VALUES, st.sampled_from([ANY_LENGTH, QUANTITY, 0, 1, 2, 8, 32])), max_size=8)
)
def test_fields_are_encoded_as_the_rlp_library_does_or_left(drawn: list[tuple[Any, int]]) -> None:
    fields = tuple((str(index), kind) for index, (_, kind) in enumerate(drawn))
    source = {str(index): value for index, (value, _) in enumerate(drawn)}
    encoded = usual.encode_fields(source, fields)
    if encoded is not None:
        assert encoded == rlp.encode([_meant(value, kind) for value, kind in drawn])


def _meant(value: str, kind: int) -> bytes:
    if kind == QUANTITY:
        number = int(value, 16)
        return number.to_bytes((number.bit_length() + 7) // 8, "big")
    data = bytes.fromhex(value[2:])
    assert kind in {ANY_LENGTH, len(data)}
    return data


@pytest.mark.parametrize("length", [0, 1, 2, 55, 56, 255, 256, 4096, 65_535, 65_536, 1_000_000])
def test_data_of_every_length_is_encoded(length: int) -> None:
    for byte in ("7f", "80", "Ab"):
        source = {"data": "0x" + length * byte}
        encoded = usual.encode_fields(source, (("data", ANY_LENGTH),))
        assert encoded == rlp.encode([bytes.fromhex(length * byte)])


@pytest.mark.parametrize("digits", range(1, 66))
def test_a_quantity_of_every_length_is_encoded_or_left(digits: int) -> None:
    encoded = usual.encode_fields({"it": "0x" + digits * "f"}, (("it", QUANTITY),))
    assert encoded == (rlp.encode([16**digits - 1]) if digits <= 64 else None)


@pytest.mark.parametrize("digits", ["", "00", "01", "0f", "00ff", "-1", "+1", " 1", "1_0"])
def test_a_quantity_that_is_none_is_left(digits: str) -> None:
    assert usual.encode_fields({"it": "0x" + digits}, (("it", QUANTITY),)) is None


@pytest.mark.parametrize("to", [None, "0x" + 20 * "ab"])
def test_an_absent_recipient_and_an_empty_list_are_encoded(to: str | None) -> None:
    fields = (("to", ADDRESS_OR_NONE), ("accessList", EMPTY_LIST))
    expected = rlp.encode([bytes.fromhex(to[2:]) if to else b"", []])
    assert usual.encode_fields({"to": to, "accessList": []}, fields) == expected
    assert usual.encode_fields({"to": to, "accessList": [{}]}, fields) is None
    assert usual.encode_fields({"to": "0xab", "accessList": []}, fields) is None


ADDRESSES = st.binary(min_size=20, max_size=20)


@st.composite
def logs(draw: st.DrawFn) -> dict[str, Any]:
    """A transfer of the token, or what differs from one somewhere."""
    padded = st.binary(min_size=20, max_size=20).map(
        lambda address: "0x" + 24 * "0" + address.hex()
    )
    log: dict[str, Any] = {
        "address": "0x" + TOKEN.hex(),
        "topics": ["0x" + TRANSFER_TOPIC.hex(), draw(padded), draw(padded)],
        "data": "0x" + draw(st.binary(min_size=32, max_size=32)).hex(),
    }
    how = draw(st.sampled_from(["not", "address", "data", "topics", "topic", "more", "fewer"]))
    topics = log["topics"]
    if how in {"address", "data", "topics"}:
        log[how] = draw(corrupted(log[how]))
    elif how == "topic":
        at = draw(st.integers(0, 2))
        topics[at] = draw(corrupted(topics[at]))
    elif how == "more":
        topics.append(topics[-1])
    elif how == "fewer":
        topics.pop()
    return log


@search(300)
@given(st.lists(st.fixed_dictionaries({"logs": st.lists(logs(), max_size=3)}), max_size=2))
def test_transfers_are_read_alike_or_left(receipts: list[Any]) -> None:
    hashes = tuple(bytes([index]) * 32 for index in range(len(receipts)))
    found = usual.read_transfers(receipts, hashes, TRANSFER_TOPIC, TOKEN, Transfer)
    if found is not None:
        with python_alone():
            assert tuple(found) == read_transfers(receipts, tx_hashes=hashes, token=TOKEN)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("character", "gG /:@`_")
def test_a_digit_that_is_none_is_left_in_every_place(place: int, character: str) -> None:
    digits = "abcd"[:place] + character + "abcd"[place + 1 :]
    assert usual.decode_data("0x" + digits, 2) is None
    assert usual.encode_fields({"it": "0x" + digits}, (("it", ANY_LENGTH),)) is None
    assert usual.encode_fields({"it": "0x" + digits}, (("it", QUANTITY),)) is None


def test_a_receipt_that_names_a_state_root_is_left() -> None:
    (receipt, *_) = next(vector.receipts for vector in RECORDED if vector.receipts)
    assert usual.encode_receipt(receipt) == usual.encode_receipt(receipt | {"root": None})
    assert usual.encode_receipt(receipt | {"root": "0x" + 32 * "ab"}) is None


def test_only_our_own_mistakes_are_errors() -> None:
    for field in ("name", ("name",), (1, 2), ("name", "kind"), ("a", 2**62), ("a", 2**70)):
        with pytest.raises((TypeError, OverflowError)):
            usual.encode_fields({"name": "0x"}, (field,))  # type: ignore[arg-type]
    for junk in (None, 7, "0x", [], {1: 2}, {"logs": None}, {"logs": [7]}):
        assert usual.encode_receipt(junk) is None
        assert usual.encode_fields(junk, (("it", 1),)) is None
    hashes = (bytes(32),)
    for receipts, token, kind in (
        ([], TOKEN, Transfer),  # fewer receipts than hashes
        ([{"logs": []}], TOKEN[1:], Transfer),
        ([{"logs": []}], TOKEN, list),
        (({"logs": []},), TOKEN, Transfer),
    ):
        read: Any = usual.read_transfers
        assert read(receipts, hashes, TRANSFER_TOPIC, token, kind) is None


def test_nothing_is_held_or_let_go_too_often() -> None:
    """References to what is given stay as many as they were, in success as in failure."""
    (busy,) = [vector for vector in RECORDED if vector.name == "anvil-prague-0"]
    broken = deepcopy(busy.receipts)
    broken[-1]["logs"][-1]["data"] = "0xzz"
    hashes = tuple(bytes([index]) * 32 for index in range(len(broken)))
    watched = [busy.block, busy.receipts, broken, busy.receipts[0]["logs"], hashes[0], Transfer]
    watched += [busy.receipts[0]["logs"][0]["data"], broken[-1]["logs"][-1], None, 7]
    before = [sys.getrefcount(item) for item in watched]
    for _ in range(1_000):
        for receipts in (busy.receipts, broken):
            usual.read_transfers(receipts, hashes, TRANSFER_TOPIC, busy.token, Transfer)
            usual.encode_receipt(receipts[-1])
        usual.encode_fields(busy.block, (("parentHash", 32), ("number", QUANTITY), ("no", 1)))
        usual.decode_data(busy.block["hash"], 32)
    after = [sys.getrefcount(item) for item in watched]
    assert [abs(now - then) < 100 for then, now in zip(before, after, strict=True)] == [True] * 10


def test_without_a_compiler_python_does_all_of_it() -> None:
    program = (
        "import sys; sys.modules['ledger._usual'] = None\n"
        "from ledger import usual\n"
        "from ledger.json_hex import read_data\n"
        "assert usual.decode_data('0xab', 1) is None\n"
        "print(read_data('0xab', field='it', length=1).hex())\n"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and words
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("ab\n", "")


def test_python_alone_covers_every_call() -> None:
    """Otherwise this file would compare compiled code with itself."""
    compiled = [getattr(usual, name) for name in usual.__all__ if callable(getattr(usual, name))]
    bound = {
        f"{module}.{name}"
        for module, loaded in list(sys.modules.items())
        if module.startswith("ledger.") and module not in {"ledger.usual", "ledger._usual"}
        for name, value in vars(loaded).items()
        if any(value is function for function in compiled)
    }
    assert bound == set(CALLED)
