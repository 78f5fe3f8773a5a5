"""The root of the Merkle Patricia trie over an ordered list, as headers commit to it."""

from collections.abc import Sequence

from ledger.keccak import keccak256
from ledger.rlp_encoding import encode_bytes, encode_int, encode_joined

EMPTY_ROOT = keccak256(b"\x80")

_HASH_LENGTH = 32
_BRANCHES = 16
_Leaf = tuple[tuple[int, ...], bytes]


def ordered_trie_root(values: Sequence[bytes]) -> bytes:
    """Hash a list into the 32-byte root of the trie that maps rlp(index) to each value.

    Receipts and transactions are committed in this way (Yellow Paper, section 4.4.3 and
    appendix D).
    """
    if not values:
        return EMPTY_ROOT
    leaves = sorted((_nibbles(encode_int(index)), value) for index, value in enumerate(values))
    return keccak256(_node(leaves, 0))


def _nibbles(key: bytes) -> tuple[int, ...]:
    return tuple(nibble for byte in key for nibble in (byte >> 4, byte & 0x0F))


def _node(leaves: Sequence[_Leaf], depth: int) -> bytes:
    """Encode the node that holds `leaves`, whose keys agree on their first `depth` nibbles."""
    first_key, first_value = leaves[0]
    if len(leaves) == 1:
        path = encode_bytes(_hex_prefix(first_key[depth:], is_leaf=True))
        return encode_joined([path, encode_bytes(first_value)])
    shared = _shared_length(first_key, leaves[-1][0], depth)
    if shared > depth:
        path = encode_bytes(_hex_prefix(first_key[depth:shared], is_leaf=False))
        return encode_joined([path, _reference(_node(leaves, shared))])
    return _branch(leaves, depth)


def _branch(leaves: Sequence[_Leaf], depth: int) -> bytes:
    children = [b"\x80"] * (_BRANCHES + 1)
    start = 0
    while start < len(leaves):
        nibble = leaves[start][0][depth]
        end = start + 1
        while end < len(leaves) and leaves[end][0][depth] == nibble:
            end += 1
        children[nibble] = _reference(_node(leaves[start:end], depth + 1))
        start = end
    # No key is a prefix of another (rlp of an index), so a branch never holds a value itself.
    return encode_joined(children)


def _reference(node: bytes) -> bytes:
    """A node shorter than a hash stands in its parent as it is."""
    return node if len(node) < _HASH_LENGTH else encode_bytes(keccak256(node))


def _shared_length(first: tuple[int, ...], last: tuple[int, ...], depth: int) -> int:
    limit = min(len(first), len(last))
    while depth < limit and first[depth] == last[depth]:
        depth += 1
    return depth


def _hex_prefix(nibbles: tuple[int, ...], *, is_leaf: bool) -> bytes:
    """Pack nibbles into bytes with the flag of node kind and odd length in front."""
    flag = 2 if is_leaf else 0
    padded = (flag + 1, *nibbles) if len(nibbles) % 2 else (flag, 0, *nibbles)
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))


def ordered_trie_proof(values: Sequence[bytes], index: int) -> list[bytes]:
    """The nodes from the root down to the value at `index`, as Ethereum's proofs list them.

    A node shorter than a hash is not listed: it stands inside the one before it.
    """
    leaves = sorted((_nibbles(encode_int(place)), value) for place, value in enumerate(values))
    key = _nibbles(encode_int(index))
    nodes, depth = [_node(leaves, 0)], 0
    while len(leaves) > 1:
        shared = _shared_length(leaves[0][0], leaves[-1][0], depth)
        if shared > depth:  # an extension, and below it the branch
            nodes.append(_node(leaves, shared))
            depth = shared
            continue
        leaves = [leaf for leaf in leaves if leaf[0][depth] == key[depth]]
        depth += 1
        nodes.append(_node(leaves, depth))
    root, *below = nodes
    return [root, *(node for node in below if len(node) >= _HASH_LENGTH)]
