"""Reads a value out of a Merkle proof, believing nothing but the root."""

from collections.abc import Sequence
from typing import Any

import rlp

from ledger.errors import RejectedError
from ledger.keccak import keccak256
from ledger.rlp_encoding import encode_int

_BRANCH_LENGTH = 17
_SHORT_LENGTH = 2
_HASH_LENGTH = 32
_IS_LEAF = 2
_IS_ODD = 1
# Four nodes reach 65,536 transactions; more cannot lead anywhere.
_MAX_NODES = 16


class ProofRefusedError(RejectedError):
    """A proof that does not prove what it claims; `code` says which check failed."""


def proven_value(root: bytes, index: int, nodes: Sequence[bytes]) -> bytes:
    """The value at `index` of the ordered list that `root` commits to.

    Every node must be named by its hash in the one before it, and none may be left over.

    Raises:
        ProofRefusedError: `trie_proof`.
    """
    if len(nodes) > _MAX_NODES:
        raise _refusal("there are too many nodes")
    unread = list(nodes)
    path = encode_int(index).hex()
    reference: Any = root
    while True:
        node = _open(reference, unread)
        if len(node) == _BRANCH_LENGTH and path:
            reference, path = node[int(path[0], 16)], path[1:]
        elif len(node) == _SHORT_LENGTH and isinstance(node[0], bytes):
            shared, is_leaf = _shared_path(node[0])
            if is_leaf and shared == path and not unread and isinstance(node[1], bytes):
                return node[1]
            if is_leaf or not shared or not path.startswith(shared):
                raise _refusal("the nodes lead elsewhere")
            reference, path = node[1], path[len(shared) :]
        else:
            raise _refusal("a node has no form that a node can have")


def decode_list(data: bytes, *, length: int | None = None) -> list[Any]:
    """The items of an RLP list, of `length` items if given; only the one right encoding is read.

    Raises:
        ProofRefusedError: `rlp_malformed`.
    """
    try:
        items = rlp.decode(data, strict=True)
    except (rlp.exceptions.DecodingError, RecursionError, TypeError) as error:
        raise ProofRefusedError("rlp_malformed", "something is not RLP") from error
    if not isinstance(items, list) or (length is not None and len(items) != length):
        raise ProofRefusedError("rlp_malformed", "an RLP list has another length")
    return items


def _open(reference: Any, unread: list[bytes]) -> list[Any]:
    """The node that a reference names: short ones stand in their parent as they are."""
    if isinstance(reference, list):
        return reference
    if len(reference) != _HASH_LENGTH or not unread or keccak256(unread[0]) != reference:
        raise _refusal("a node does not hash to its name")
    return decode_list(unread.pop(0))


def _shared_path(prefixed: bytes) -> tuple[str, bool]:
    """The nibbles as digits, and whether they end at a leaf."""
    digits = prefixed.hex()
    flag = int(digits[0], 16) if digits else _IS_LEAF * 2
    if flag > _IS_LEAF + _IS_ODD or (not flag & _IS_ODD and digits[1] != "0"):
        raise _refusal("a path is written wrongly")
    return digits[1 if flag & _IS_ODD else 2 :], bool(flag & _IS_LEAF)


def _refusal(message: str) -> ProofRefusedError:
    return ProofRefusedError("trie_proof", message)
