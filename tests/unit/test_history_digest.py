"""The digest's bytes are those that docs/auditor.md defines, and differences are found."""

from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from ledger.digest import DigestTree, block_digest, differing_numbers
from ledger.header import Header
from ledger.transfer import Transfer
from ledger.units import Units

HEADER = Header(7, b"\x01" * 32, b"\x02" * 32, 1_700_000_000, b"\x03" * 32, b"\x04" * 32)
TRANSFER = Transfer(5, 2, b"\x05" * 32, b"\x06" * 20, b"\x07" * 20, Units(10**18))
LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70)


def test_a_block_s_digest_is_byte_by_byte_as_documented() -> None:
    fields = "010000000000000007" + "01" * 32 + "02" * 32 + "000000006553f100"
    fields += "03" * 32 + "04" * 32 + "00000001"
    fields += "0000000500000002" + "05" * 32 + "06" * 20 + "07" * 20
    fields += "0000000000000000000000000000000000000000000000000de0b6b3a7640000"
    assert block_digest(HEADER, [TRANSFER]) == keccak(hexstr=fields)


def test_a_range_s_digest_is_as_documented() -> None:
    a, b, c = (bytes((n,)) * 32 for n in (1, 2, 3))
    top = keccak(b"\x02" + keccak(b"\x02" + a + b) + c)
    tree = DigestTree(10, (a, b, c))
    assert tree.digest == keccak(b"\x03" + (10).to_bytes(8, "big") + (3).to_bytes(8, "big") + top)


@given(LEAVES, st.data())
def test_every_difference_is_found_in_order(leaves: list[bytes], data: st.DataObject) -> None:
    places = data.draw(st.sets(st.integers(0, len(leaves) - 1)))
    changed = [
        bytes(byte ^ 1 for byte in leaf) if place in places else leaf
        for place, leaf in enumerate(leaves)
    ]
    ours, theirs = DigestTree(100, tuple(leaves)), DigestTree(100, tuple(changed))
    assert (ours.digest == theirs.digest) == (not places)
    found = differing_numbers(ours, theirs, limit=len(leaves))
    assert found == [100 + place for place in sorted(places)]
    assert differing_numbers(ours, theirs, limit=2) == found[:2]


@given(LEAVES, st.integers(0, 2**40))
def test_the_range_itself_is_part_of_the_digest(leaves: list[bytes], first: int) -> None:
    digest = DigestTree(first, tuple(leaves)).digest
    assert digest != DigestTree(first + 1, tuple(leaves)).digest
    assert digest != DigestTree(first, (*leaves, leaves[-1])).digest
