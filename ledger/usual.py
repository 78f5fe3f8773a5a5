"""The usual shapes of a node's answers, encoded and read by compiled code, in one pass.

Each function gives None for whatever is not usual, and for everything where nothing is compiled:
the Python beside its call then does the work and says what is wrong. That Python alone defines
what is accepted; `compiled/` only gives the same answer sooner, nine times as fast.
"""

__all__ = [
    "ADDRESS_OR_NONE",
    "ANY_LENGTH",
    "EMPTY_LIST",
    "QUANTITY",
    "decode_data",
    "encode_fields",
    "encode_receipt",
    "read_transfers",
]

# Kinds of fields; from 0 on a kind is the length of data in bytes.
ANY_LENGTH = -1
QUANTITY = -2
ADDRESS_OR_NONE = -3
EMPTY_LIST = -4

try:
    from ledger._usual import decode_data, encode_fields, encode_receipt, read_transfers
except ImportError:  # installed without a compiler or Python's headers

    def _nothing_is_usual(*_: object) -> None:
        return None

    decode_data = encode_fields = encode_receipt = read_transfers = _nothing_is_usual
