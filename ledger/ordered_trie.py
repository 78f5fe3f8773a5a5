"""The root of the Merkle Patricia trie over an ordered list, as headers commit to it."""

from collections.abc import Sequence
from functools import lru_cache

from ledger.keccak import keccak256
from ledger.rlp_encoding import encode_bytes, encode_int, encode_joined

EMPTY_ROOT = keccak256(b"\x80")

_HASH_LENGTH = 32
_BRANCHES = 16
_Path = tuple[int, ...]
_Leaf = tuple[_Path, bytes]


def ordered_trie_root(values: Sequence[bytes]) -> bytes:
    """Hash a list into the 32-byte root of the trie that maps rlp(index) to each value.

    Receipts and transactions are committed in this way (Yellow Paper, section 4.4.3 and
    appendix D).
    """
    return keccak256(_node(_leaves(values), 0)) if values else EMPTY_ROOT


class OrderedTrie:
    """The same trie with its nodes kept: hashed once, it gives the proof of every value."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._count = len(values)
        self._nodes: dict[_Path, bytes] = {}
        if values:
            _node(_leaves(values), 0, kept=self._nodes)

    def proof(self, index: int) -> list[bytes]:
        """The nodes from the root down to the value at `index`, as Ethereum's proofs list them.

        A node shorter than a hash is not listed: it stands inside the one before it.

        Raises:
            IndexError: there is no such value.
        """
        if not 0 <= index < self._count:
            raise IndexError(f"no value {index} among {self._count}")
        key = _key(index)
        paths = (key[:depth] for depth in range(len(key) + 1))
        root, *below = (self._nodes[path] for path in paths if path in self._nodes)
        return [root, *(node for node in below if len(node) >= _HASH_LENGTH)]


def _leaves(values: Sequence[bytes]) -> list[_Leaf]:
    return sorted((_key(index), value) for index, value in enumerate(values))


@lru_cache(maxsize=4096)
def _key(index: int) -> _Path:
    """The nibbles of rlp(index)."""
    return tuple(nibble for byte in encode_int(index) for nibble in (byte >> 4, byte & 0x0F))


def _node(leaves: Sequence[_Leaf], depth: int, kept: dict[_Path, bytes] | None = None) -> bytes:
    """Encode the node that holds `leaves`, whose keys agree on their first `depth` nibbles.

    With `kept` it and all nodes below it are noted there by their paths.
    """
    first_key, first_value = leaves[0]
    if len(leaves) == 1:
        path = _encoded_path(first_key[depth:], is_leaf=True)
        node = encode_joined([path, encode_bytes(first_value)])
    elif (shared := _shared_length(first_key, leaves[-1][0], depth)) > depth:
        path = _encoded_path(first_key[depth:shared], is_leaf=False)
        node = encode_joined([path, _reference(_node(leaves, shared, kept))])
    else:
        node = _branch(leaves, depth, kept)
    if kept is not None:
        kept[first_key[:depth]] = node
    return node


def _branch(leaves: Sequence[_Leaf], depth: int, kept: dict[_Path, bytes] | None) -> bytes:
    children = [b"\x80"] * (_BRANCHES + 1)
    start = 0
    while start < len(leaves):
        nibble = leaves[start][0][depth]
        end = start + 1
        while end < len(leaves) and leaves[end][0][depth] == nibble:
            end += 1
        children[nibble] = _reference(_node(leaves[start:end], depth + 1, kept))
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


@lru_cache(maxsize=4096)
def _encoded_path(nibbles: _Path, *, is_leaf: bool) -> bytes:
    """Nibbles packed into bytes with the flag of node kind and odd length in front, encoded."""
    flag = 2 if is_leaf else 0
    padded = (flag + 1, *nibbles) if len(nibbles) % 2 else (flag, 0, *nibbles)
    pairs = zip(padded[::2], padded[1::2], strict=True)
    return encode_bytes(bytes(high << 4 | low for high, low in pairs))
