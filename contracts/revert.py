"""What a node's JSON-RPC error tells about a call that its contract refused."""

from collections.abc import Mapping
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

REVERTED: Final = 3
"""The JSON-RPC error code of a reverted call (Ethereum's execution-apis)."""

REASON_CHARACTERS_MAX: Final = 300

_ERROR: Final = bytes.fromhex("08c379a0")  # Error(string)
_PANIC: Final = bytes.fromhex("4e487b71")  # Panic(uint256)
_BEFORE_WORDS: Final = "execution reverted: "


def is_revert(code: object, message: str) -> bool:
    """Whether the error says that a contract refused, and not that the node did."""
    return code == REVERTED or "revert" in message.lower()


def revert_reason(error: Mapping[str, Any]) -> str | None:
    """The contract's own words; None where it gave none, or the node does not pass them on.

    Args:
        error: The `error` of a JSON-RPC answer. Its `data` is what the contract returned; some
            nodes put that one level deeper, or only the words of it into their message.
    """
    data = error.get("data")
    if isinstance(data, Mapping):
        data = data.get("data")
    words = _decoded(data) if isinstance(data, str) else None
    if words is None:
        _, _, words = str(error.get("message", "")).partition(_BEFORE_WORDS)
        # Some add the encoded reason behind the words.
        words = words.partition(", data:")[0].strip().strip('"')
    return for_terminal(words) or None


def for_terminal(words: str) -> str:
    """What others wrote, cut, and without the characters that a terminal takes for commands."""
    return "".join(filter(str.isprintable, words[:REASON_CHARACTERS_MAX]))


def _decoded(text: str) -> str | None:
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
        if data[:4] == _ERROR:
            (words,) = decode(["string"], data[4:])
            return str(words)
        if data[:4] == _PANIC:
            (number,) = decode(["uint256"], data[4:])
            return f"panic {number:#x}"
    except (ValueError, OverflowError, DecodingError):
        # A node can answer anything; what cannot be read is no reason.
        return None
    return None
