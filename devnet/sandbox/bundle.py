"""Several calls in one transaction, without a contract: by the code that a deployment runs."""

from collections.abc import Sequence

_STOP, _ISZERO, _CODECOPY, _JUMPI, _GAS, _JUMPDEST, _CALL, _REVERT = (
    bytes([code]) for code in (0x00, 0x15, 0x39, 0x57, 0x5A, 0x5B, 0xF1, 0xFD)
)
_PUSH0 = 0x5F


def calls_init_code(target: bytes, calls: Sequence[bytes]) -> bytes:
    """What a transaction without payee runs: each call of `target` in turn, all or none.

    Args:
        target: The contract that is called, 20 bytes.
        calls: Each call's data, at most 64 KiB together with the code.
    """
    # The code's length does not depend on what it says, so one try tells where its parts are.
    length = len(_code(target, calls, 0))
    return _code(target, calls, length) + b"".join(calls)


def _code(target: bytes, calls: Sequence[bytes], length: int) -> bytes:
    failure = _JUMPDEST + _push(0) + _push(0) + _REVERT
    code, data_offset = b"", length
    for data in calls:
        # CODECOPY(memory 0, offset, length), then CALL(gas, target, 0, 0, length, 0, 0).
        code += _push(len(data)) + _push(data_offset) + _push(0) + _CODECOPY
        code += _push(0) + _push(0) + _push(len(data)) + _push(0) + _push(0)
        code += _push_bytes(target) + _GAS + _CALL
        # Else the node would find so little gas enough that the calls fail and the whole does not.
        code += _ISZERO + _push(max(0, length - len(failure))) + _JUMPI
        data_offset += len(data)
    return code + _STOP + failure


def _push(value: int) -> bytes:
    return _push_bytes(value.to_bytes(2))


def _push_bytes(value: bytes) -> bytes:
    return bytes([_PUSH0 + len(value)]) + value
