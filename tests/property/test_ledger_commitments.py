"""RLP and the ordered trie agree with libraries that other people wrote."""

from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st
from lean import search
from trie import HexaryTrie

from ledger.json_hex import UnprovenError, read_data, read_quantity
from ledger.ordered_trie import EMPTY_ROOT, ordered_trie_root
from ledger.rlp_digits import data_digits, from_digits, list_digits, quantity_digits
from ledger.rlp_encoding import encode, encode_bytes, encode_int, encode_joined

UINT256 = st.integers(0, 2**256 - 1)
# Lengths around 55 bytes and around a byte's worth are where the prefix changes its form.
LENGTHS = st.one_of(st.integers(0, 70), st.sampled_from([254, 255, 256, 257, 65_535, 65_536]))
STRINGS = st.one_of(
    st.binary(max_size=80),
    LENGTHS.map(lambda length: b"\x7f" * length),
    LENGTHS.map(lambda length: b"\x80" * length),
)
TREES = st.recursive(STRINGS, lambda items: st.lists(items, max_size=8), max_leaves=25)


def reference_root(values: list[bytes]) -> bytes:
    trie = HexaryTrie({})
    for index, value in enumerate(values):
        trie[rlp.encode(index)] = value
    return bytes(trie.root_hash)


@search()
@given(TREES)
def test_encodes_any_tree_as_the_rlp_library_does(tree: object) -> None:
    assert encode(tree) == rlp.encode(tree)


@search()
@given(STRINGS)
def test_encodes_any_string_as_the_rlp_library_does(data: bytes) -> None:
    assert encode_bytes(data) == rlp.encode(data)
    assert rlp.decode(encode_bytes(data)) == data


@search()
@given(UINT256)
def test_encodes_any_number_in_its_shortest_form(number: int) -> None:
    assert encode_int(number) == rlp.encode(number)


@search()
@given(st.lists(STRINGS, max_size=20))
def test_joining_encoded_parts_makes_the_list_of_them(parts: list[bytes]) -> None:
    assert encode_joined([encode_bytes(part) for part in parts]) == rlp.encode(parts)


def test_the_empty_trie_has_the_root_that_every_empty_block_names() -> None:
    assert ordered_trie_root([]) == EMPTY_ROOT == reference_root([])
    assert EMPTY_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


# The reference cannot hold an empty value: in a trie of its kind that means deletion.
@search()
@given(st.lists(st.binary(min_size=1, max_size=200), max_size=40))
def test_a_short_list_has_the_reference_root(values: list[bytes]) -> None:
    assert ordered_trie_root(values) == reference_root(values)


# A node shorter than 32 bytes stands inside its parent instead of a hash of it.
@search()
@given(st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=40))
def test_values_too_short_to_be_hashed_have_the_reference_root(values: list[bytes]) -> None:
    assert ordered_trie_root(values) == reference_root(values)


# Keys grow to two bytes at 128 and to three at 256; 16 and 17 items fill and fork a branch.
@search(30)
@given(
    count=st.one_of(
        st.integers(0, 300), st.sampled_from([1, 16, 17, 127, 128, 129, 255, 256, 257])
    ),
    length=st.sampled_from([1, 3, 28, 31, 32, 33, 600]),
)
def test_any_number_of_items_has_the_reference_root(count: int, length: int) -> None:
    values = [index.to_bytes(2, "big") * length for index in range(1, count + 1)]
    assert ordered_trie_root(values) == reference_root(values)


@search()
@given(
    st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=30),
    st.data(),
)
def test_another_value_anywhere_is_another_root(values: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    changed = list(values)
    changed[index] = data.draw(
        st.binary(min_size=1, max_size=60).filter(lambda v: v != values[index])
    )
    assert ordered_trie_root(changed) != ordered_trie_root(values)
    assert ordered_trie_root([*values, b"\x01"]) != ordered_trie_root(values)
    assert ordered_trie_root(values[:-1]) != ordered_trie_root(values)


@search()
@given(data=STRINGS, upper=st.booleans())
def test_data_in_digits_encodes_as_the_rlp_library_does(data: bytes, *, upper: bool) -> None:
    digits = data.hex().upper() if upper else data.hex()
    assert from_digits(data_digits("0x" + digits, field="x")) == rlp.encode(data)
    assert from_digits(data_digits("0x" + digits, field="x", length=len(data))) == rlp.encode(data)
    with pytest.raises(UnprovenError):
        data_digits("0x" + digits, field="x", length=len(data) + 1)


@search()
@given(UINT256)
def test_a_quantity_in_digits_encodes_as_the_rlp_library_does(number: int) -> None:
    assert from_digits(quantity_digits(hex(number), field="x")) == rlp.encode(number)


@search()
@given(st.lists(STRINGS, max_size=20))
def test_a_list_in_digits_encodes_as_the_rlp_library_does(parts: list[bytes]) -> None:
    joined = "".join(data_digits("0x" + part.hex(), field="x") for part in parts)
    assert from_digits(list_digits(joined)) == rlp.encode(parts)


WORDS = st.one_of(
    st.text(alphabet="0x1aAfFgG _-+\n\t\uff11\u0661.", max_size=10).map(lambda text: "0x" + text),
    st.text(max_size=8),
    st.none(),
    st.integers(),
    st.lists(st.just("0x")),
)


@search(150)
@given(WORDS)
def test_digits_are_read_as_strictly_as_single_values(value: Any) -> None:
    """Reading late, when a whole block's digits are there, refuses what reading early refuses."""
    pairs = (
        (data_digits, lambda: rlp.encode(read_data(value, field="x"))),
        (quantity_digits, lambda: rlp.encode(read_quantity(value, field="x"))),
    )
    for write, expected in pairs:
        try:
            encoded = from_digits(write(value, field="x"))
        except UnprovenError:
            with pytest.raises(UnprovenError):
                expected()
        else:
            assert encoded == expected()


@pytest.mark.parametrize(
    "digits", ["  ", "1a  ", "  1a", "1a\n\n1a", "1a\t ", "1", "1g", "0x", "\uff11\uff12"]
)
def test_digits_are_nothing_but_digits(digits: str) -> None:
    """Python's own reader skips blanks, in which two programs would see different fields."""
    with pytest.raises(UnprovenError):
        from_digits(digits)
