"""What a wallet shows and signs: EIP-712 messages, safe to send as JSON."""

from typing import Any, NewType

TypedData = NewType("TypedData", dict[str, Any])
"""A whole EIP-712 message: `types`, `primaryType`, `domain`, `message`.

It goes as it is to `eth_account.messages.encode_typed_data(full_message=...)` and, as JSON, to a
wallet's `eth_signTypedData_v4`. Amounts and times are decimal strings because JavaScript would
round them as numbers; addresses and nonces are hex.
"""

Fields = tuple[tuple[str, str], ...]
"""The fields of a struct in order, each as name and Solidity type."""

_DOMAIN_FIELDS: Fields = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


def hex_of(value: bytes) -> str:
    """`value` as 0x-prefixed lower-case hex, the form of the JSON edge."""
    return f"0x{value.hex()}"


def typed_data(
    *, domain: dict[str, Any], primary_type: str, fields: Fields, message: dict[str, Any]
) -> TypedData:
    """Assemble an EIP-712 message of one struct under `domain`."""
    return TypedData(
        {
            "types": {
                "EIP712Domain": _describe(_DOMAIN_FIELDS),
                primary_type: _describe(fields),
            },
            "primaryType": primary_type,
            "domain": domain,
            "message": message,
        }
    )


def _describe(fields: Fields) -> list[dict[str, str]]:
    return [{"name": name, "type": type_} for name, type_ in fields]
