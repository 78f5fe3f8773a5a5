from collections.abc import Sequence
from typing import Any, TypeVar

_Transfer = TypeVar("_Transfer", bound=tuple[Any, ...])

def decode_data(value: object, length: int, /) -> bytes | None: ...
def encode_fields(source: object, fields: tuple[tuple[str, int], ...], /) -> bytes | None: ...
def encode_receipt(receipt: object, /) -> bytes | None: ...
def read_transfers(
    receipts: object,
    tx_hashes: Sequence[bytes],
    topic: bytes,
    token: bytes,
    transfer_type: type[_Transfer],
    /,
) -> list[_Transfer] | None: ...
