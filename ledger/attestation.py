"""What the oracle signs when it says that an order is paid: the EIP-712 digest and its fields."""

from dataclasses import dataclass
from typing import Final

from ledger.keccak import keccak256
from ledger.order import Finality
from ledger.units import UINT256_MAX, Units

DOMAIN_NAME: Final = "BillCoin Attestation"
DOMAIN_VERSION: Final = "1"
PRIMARY_TYPE: Final = "PaymentAttestation"
FIELDS: Final[tuple[tuple[str, str], ...]] = (
    ("orderKey", "bytes32"),
    ("txHash", "bytes32"),
    ("blockNumber", "uint256"),
    ("blockHash", "bytes32"),
    ("token", "address"),
    ("treasury", "address"),
    ("amountDue", "uint256"),
    ("amountReceived", "uint256"),
    ("finality", "uint8"),
    ("consumer", "address"),
    ("issuedAt", "uint256"),
    ("expiresAt", "uint256"),
)
"""The struct's fields in order, each as name and Solidity type."""

NO_CONSUMER: Final = bytes(20)
"""The consumer of an attestation that is only to be read: no contract can consume it."""

FINALITY_LEVELS: Final = {Finality.INCLUDED: 0, Finality.SAFE: 1, Finality.FINALIZED: 2}
"""How a finality is written into the struct: the deeper, the higher."""

_WORD_BYTES = 32
_ADDRESS_BYTES = 20
_TYPE_HASH = keccak256(
    f"{PRIMARY_TYPE}({','.join(f'{type_} {name}' for name, type_ in FIELDS)})".encode()
)
_DOMAIN_TYPE_HASH = keccak256(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)


@dataclass(frozen=True, slots=True)
class Attestation:
    """An order is paid. There is no attestation of a no (ADR 11).

    Attributes:
        order_key: The order, keccak256 of its id, 32 bytes.
        tx_hash: The transaction that completed its payment, 32 bytes.
        block_number: Where that transaction is.
        block_hash: 32 bytes; a contract on the same chain can compare it.
        token: BILL's contract, 20 bytes.
        treasury: The merchant who was paid, 20 bytes.
        amount_due: What the order costs.
        amount_received: All that stands on the chain for it, which may be more.
        finality: How deep the block lay when this was signed.
        consumer: The only contract that may consume it, 20 bytes, or `NO_CONSUMER`.
        issued_at_seconds: Unix time.
        expires_at_seconds: Unix time; worthless from then on.
    """

    order_key: bytes
    tx_hash: bytes
    block_number: int
    block_hash: bytes
    token: bytes
    treasury: bytes
    amount_due: Units
    amount_received: Units
    finality: Finality
    consumer: bytes
    issued_at_seconds: int
    expires_at_seconds: int

    def values(self) -> tuple[bytes | int, ...]:
        """The fields in the order of `FIELDS`, as contracts and encoders take them."""
        return (
            self.order_key,
            self.tx_hash,
            self.block_number,
            self.block_hash,
            self.token,
            self.treasury,
            self.amount_due,
            self.amount_received,
            FINALITY_LEVELS[self.finality],
            self.consumer,
            self.issued_at_seconds,
            self.expires_at_seconds,
        )


def domain_separator(*, chain_id: int, verifier: bytes) -> bytes:
    """The hash of the EIP-712 domain: an attestation is worthless on any other chain or contract.

    Args:
        chain_id: The chain's EIP-155 id.
        verifier: The attestation verifier's address, 20 bytes.
    """
    return keccak256(
        _DOMAIN_TYPE_HASH
        + keccak256(DOMAIN_NAME.encode())
        + keccak256(DOMAIN_VERSION.encode())
        + _word("uint256", chain_id)
        + _word("address", verifier)
    )


def attestation_digest(attestation: Attestation, *, separator: bytes) -> bytes:
    """The 32 bytes that are signed.

    Args:
        attestation: What is said.
        separator: The `domain_separator` of the chain and contract that it is said for.

    Raises:
        ValueError: A field does not fit its type.
    """
    words = zip(FIELDS, attestation.values(), strict=True)
    encoded = b"".join(_word(type_, value) for (_, type_), value in words)
    return keccak256(b"\x19\x01" + separator + keccak256(_TYPE_HASH + encoded))


def _word(type_: str, value: bytes | int) -> bytes:
    """One static value as EIP-712 encodes it: 32 bytes, numbers and addresses to the right."""
    if isinstance(value, int):
        if not 0 <= value <= UINT256_MAX:
            raise ValueError(f"{value} does not fit a uint256")
        return value.to_bytes(_WORD_BYTES)
    length = _ADDRESS_BYTES if type_ == "address" else _WORD_BYTES
    if len(value) != length:
        raise ValueError(f"{value.hex()} is no {type_}")
    return value.rjust(_WORD_BYTES, b"\0")
