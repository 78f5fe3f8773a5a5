"""Reading gives back what was written, and a damaged request never means something unsaid."""

import contextlib
import re
import string
from decimal import Decimal, localcontext

from eth_utils import is_checksum_address, to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedError
from ledger.payment_uri import (
    MAX_CHAIN_ID,
    TransferRequest,
    format_address,
    format_payment_uri,
    parse_payment_uri,
)
from ledger.units import Units

addresses = st.binary(min_size=20, max_size=20)
requests = st.builds(
    TransferRequest,
    token=addresses,
    chain_id=st.integers(1, MAX_CHAIN_ID),
    recipient=addresses,
    units=st.integers(1, 2**256 - 1).map(Units),
)
characters = st.sampled_from(string.printable + "é٣\u200b")


@given(requests)
def test_parse_gives_back_what_format_wrote(request: TransferRequest) -> None:
    assert parse_payment_uri(format_payment_uri(request)) == request


@given(addresses)
def test_address_is_the_one_other_libraries_write(address: bytes) -> None:
    assert format_address(address) == to_checksum_address(address)


@given(requests, st.integers(0, 30))
def test_exponent_form_means_the_same(request: TransferRequest, shift: int) -> None:
    digits = str(request.units)
    fraction = digits[len(digits) - shift :] if 0 < shift < len(digits) else ""
    whole = digits.removesuffix(fraction)
    number = f"{whole}.{fraction}e{len(fraction)}" if fraction else f"{digits}e0"
    uri = format_payment_uri(request).replace(f"uint256={digits}", f"uint256={number}")
    assert parse_payment_uri(uri) == request


def read_by_hand(uri: str) -> TransferRequest | None:
    """A second, independent reading: one pattern, decimal arithmetic, another's checksums."""
    match = re.fullmatch(
        r"ethereum:(?:pay-)?(0x[0-9a-fA-F]{40})@([1-9][0-9]*)/transfer"
        r"\?address=(0x[0-9a-fA-F]{40})&uint256=([0-9]+(?:\.[0-9]+)?(?:[eE][0-9]+)?)",
        uri,
    )
    if match is None:
        return None
    for address in (match[1], match[3]):
        mixed = address[2:] not in (address[2:].lower(), address[2:].upper())
        if mixed and not is_checksum_address(address):
            return None
    with localcontext(prec=400):
        amount = Decimal(match[4])
        if amount != int(amount):
            return None
    return TransferRequest(
        bytes.fromhex(match[1][2:]), int(match[2]), bytes.fromhex(match[3][2:]), Units(int(amount))
    )


@given(requests, st.data())
def test_a_damaged_request_is_refused_or_means_what_it_says(
    request: TransferRequest, data: st.DataObject
) -> None:
    uri = format_payment_uri(request)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(uri)))
        length = data.draw(st.integers(0, 3))
        uri = uri[:start] + data.draw(st.text(characters, max_size=3)) + uri[start + length :]
    try:
        parsed = parse_payment_uri(uri)
    except RejectedError:
        return
    assert parsed == read_by_hand(uri)


@given(st.text(max_size=600))
def test_any_text_is_refused_or_read_never_a_crash(text: str) -> None:
    with contextlib.suppress(RejectedError):
        parse_payment_uri("ethereum:" + text)
