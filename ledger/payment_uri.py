"""The text inside a QR code: an EIP-681 request to transfer BILL to one address.

`ethereum:<token>@<chainId>/transfer?address=<recipient>&uint256=<units>`. Money follows what is
read here, so everything that two wallets could read differently is refused.
"""

import re
from dataclasses import dataclass

from ledger.errors import RejectedError
from ledger.keccak import keccak256
from ledger.units import UINT256_MAX, Units

MAX_URI_CHARACTERS = 512
MAX_CHAIN_ID = 2**63 - 1

_ADDRESS_BYTES = 20
_CHECKSUM_THRESHOLD = 8
_SCHEME = re.compile(r"ethereum:(?:pay-)?", re.ASCII)
_PATH = re.compile(r"([^@/?]+)(?:@([^/?]*))?(?:/([^?]*))?", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_CHAIN_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
# EIP-681's number without its signs, bare points and empty exponents.
_NUMBER = re.compile(r"([1-9][0-9]{0,77}|0)(?:(?:\.([0-9]{1,77}))?[eE]([0-9]{1,2}))?", re.ASCII)
# The order is part of the meaning: EIP-681 takes the types, in order, as the function's signature.
_PARAMETERS = ("address", "uint256")


@dataclass(frozen=True)
class TransferRequest:
    """What a payer is asked to do: transfer `units` of `token` on `chain_id` to `recipient`."""

    token: bytes
    chain_id: int
    recipient: bytes
    units: Units


def format_address(address: bytes) -> str:
    """Write an address with the checksum in its letters' case (EIP-55)."""
    digits = address.hex()
    digest = keccak256(digits.encode("ascii")).hex()
    letters = (
        digit.upper() if int(nibble, 16) >= _CHECKSUM_THRESHOLD else digit
        for digit, nibble in zip(digits, digest, strict=False)
    )
    return "0x" + "".join(letters)


def parse_address(text: str, *, param: str) -> bytes:
    """Read an address; letters of both cases must be its checksum, of one case are no checksum.

    Raises:
        RejectedError: `address_invalid` (a name among them: who it stands for can change between
            the till and the wallet) or `address_checksum_wrong`.
    """
    if _ADDRESS.fullmatch(text) is None:
        raise RejectedError(
            "address_invalid",
            f"{param} must be 0x and 40 hex digits; names are not resolved",
            param=param,
        )
    digits = text[2:]
    address = bytes.fromhex(digits)
    if digits not in (digits.lower(), digits.upper()) and text != format_address(address):
        raise RejectedError(
            "address_checksum_wrong", f"{param} has a typing error: its checksum fails", param=param
        )
    return address


def format_payment_uri(request: TransferRequest) -> str:
    """Write the request as an EIP-681 URI.

    Raises:
        ValueError: A field does not fit; the caller made it, so this is no refusal.
    """
    if len(request.token) != _ADDRESS_BYTES or len(request.recipient) != _ADDRESS_BYTES:
        raise ValueError(f"an address has {_ADDRESS_BYTES} bytes")
    if not 1 <= request.chain_id <= MAX_CHAIN_ID:
        raise ValueError("the chain id is out of range")
    if not 1 <= request.units <= UINT256_MAX:
        raise ValueError("the amount is out of range")
    return (
        f"ethereum:{format_address(request.token)}@{request.chain_id}/transfer"
        f"?address={format_address(request.recipient)}&uint256={request.units}"
    )


def parse_payment_uri(uri: str) -> TransferRequest:
    """Read an EIP-681 URI that asks for a transfer of a token, and refuse every other.

    Accepted beside the form that `format_payment_uri` writes: the prefix `pay-`, addresses of one
    case, and the amount with an exponent as long as it is whole (`2.5e18`). Refused on purpose: a
    missing chain id (it would mean Ethereum's main chain), names, percent-encoding, gas hints,
    native value, signs, parameters in another order, a zero amount.

    Raises:
        RejectedError: `uri_invalid`, `chain_invalid`, `function_unsupported`,
            `parameter_duplicate`, `parameter_unknown`, `parameter_missing`, `amount_invalid`,
            `address_invalid` or `address_checksum_wrong`.
    """
    scheme = _SCHEME.match(uri)
    if scheme is None or len(uri) > MAX_URI_CHARACTERS:
        raise RejectedError("uri_invalid", "this is no ethereum: payment request", param="uri")
    path, _, query = uri[scheme.end() :].partition("?")
    match = _PATH.fullmatch(path)
    if match is None:
        raise RejectedError("uri_invalid", "the payment request is malformed", param="uri")
    token, chain_id, function = match.groups()
    if function != "transfer":
        raise RejectedError(
            "function_unsupported", "only a transfer of a token can be paid", param="function"
        )
    address, uint256 = _read_parameters(query)
    return TransferRequest(
        token=parse_address(token, param="token"),
        chain_id=_read_chain_id(chain_id),
        recipient=parse_address(address, param="address"),
        units=_read_units(uint256),
    )


def _read_chain_id(text: str | None) -> int:
    if text is None or _CHAIN_ID.fullmatch(text) is None or int(text) > MAX_CHAIN_ID:
        raise RejectedError(
            "chain_invalid", "the request must name its chain, as in @31337", param="chainId"
        )
    return int(text)


def _read_parameters(query: str) -> tuple[str, str]:
    """The two values, in the order in which EIP-681 makes the function's signature of them."""
    pairs = [part.partition("=") for part in query.split("&")] if query else []
    names = [name for name, _, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise RejectedError("parameter_duplicate", f"{name[:20]} is given twice", param=name)
        if name not in _PARAMETERS:
            raise RejectedError("parameter_unknown", f"{name[:20]} is not supported", param=name)
    for name in _PARAMETERS:
        if name not in names:
            raise RejectedError("parameter_missing", f"{name} is missing", param=name)
    if tuple(names) != _PARAMETERS:
        raise RejectedError("uri_invalid", "address must come before uint256", param="uri")
    return pairs[0][2], pairs[1][2]


def _read_units(text: str) -> Units:
    """A whole, positive uint256; `2.5e18` is one, `2.5` and `25e-1` are not."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise RejectedError("amount_invalid", "uint256 must be a whole number", param="uint256")
    whole, fraction, exponent = match.group(1), match.group(2) or "", int(match.group(3) or "0")
    if len(fraction) > exponent:
        raise RejectedError("amount_invalid", "uint256 must be a whole number", param="uint256")
    units = int(whole + fraction) * 10 ** (exponent - len(fraction))
    if not 1 <= units <= UINT256_MAX:
        raise RejectedError("amount_invalid", "uint256 is zero or beyond 256 bits", param="uint256")
    return Units(units)
