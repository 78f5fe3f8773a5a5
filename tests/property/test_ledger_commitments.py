"""RLP and the ordered trie agree with libraries that other people wrote."""

import rlp
from hypothesis import given
from hypothesis import strategies as st
from lean import search
from trie import HexaryTrie

from ledger.ordered_trie import EMPTY_ROOT, ordered_trie_root
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
@search()
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
