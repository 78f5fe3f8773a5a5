"""Addresses in settings: 20 bytes inside, hex in the environment."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from ledger.errors import RejectedError
from ledger.payment_uri import parse_address


def read_address(value: Any) -> bytes:
    """An address of the environment.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bytes):
        return value
    try:
        return parse_address(str(value), param="it")
    except RejectedError as error:
        raise ValueError(str(error)) from error


Address = Annotated[bytes, BeforeValidator(read_address)]
