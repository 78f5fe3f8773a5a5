"""The Minting Module Unit: its artifact, its terms, and what a dairy's sensors sign."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from contracts import abi
from contracts.artifact import Artifact, load_artifact
from contracts.typed_data import Fields, TypedData, hex_of, typed_data
from ledger.units import Units

DOMAIN_NAME = "BillCoin Minting Module"
DOMAIN_VERSION = "1"

EVENTS = (
    *("BatchAccepted", "BatchRecalled", "RecallSettled"),
    *("DairyApproved", "DairyRevoked", "SensorApproved", "SensorRevoked", "QuotaSet"),
    *("PayoutPaid", "PayoutOwed", "PayoutRateSet", "StandardsSet", "LimitsSet"),
    *("Paused", "Unpaused"),
)
"""What an indexer follows; `contracts.abi.event_topic(artifact(), name)` is each one's topic."""

_ATTESTATION_FIELDS: Fields = (
    ("dairy", "address"),
    ("sensor", "address"),
    ("batchId", "bytes32"),
    ("litres", "uint256"),
    ("temperatureMilliCelsius", "int256"),
    ("holdingMilliseconds", "uint256"),
    ("startedAt", "uint256"),
    ("endedAt", "uint256"),
    ("nonce", "uint256"),
)


class Standard(NamedTuple):
    """Milk counts as pasteurised that was at least so hot for at least so long."""

    min_temperature_milli_celsius: int
    min_holding_milliseconds: int


HTST = Standard(72_000, 15_000)
"""High temperature, short time: 72 degrees Celsius for 15 seconds."""
LTLT = Standard(63_000, 1_800_000)
"""Low temperature, long time: 63 degrees Celsius for 30 minutes."""


@dataclass(frozen=True)
class Terms:
    """What the Minting Module Unit is deployed with.

    Attributes:
        bill: BILL's contract, 20 bytes; its owner must then appoint the module as minter.
        subsidy_token: The ERC-20 that subsidies are paid in, for good, 20 bytes.
        regulator: The first regulator, 20 bytes.
        delay_seconds: How long dangerous changes are announced before they can be made.
        standards: One to eight; meeting any one is enough.
        max_age_seconds: How long after its end a batch may be submitted.
        second_sensor_above_litres: Larger batches need a second sensor; in base units.
        subsidy_per_litre: Base units of the subsidy token per litre.
    """

    bill: bytes
    subsidy_token: bytes
    regulator: bytes
    delay_seconds: int
    standards: Sequence[Standard]
    max_age_seconds: int
    second_sensor_above_litres: Units
    subsidy_per_litre: int


@dataclass(frozen=True)
class BatchAttestation:
    """What a sensor signs about a batch.

    Attributes:
        dairy: Whose milk it is and who receives the BILL, 20 bytes.
        sensor: The account of the sensor that signs first, 20 bytes.
        batch_id: The dairy's own id of the batch, 32 bytes, unique for the dairy.
        litres: In base units of BILL: 18 decimals.
        temperature_milli_celsius: The lowest temperature while the milk was held.
        holding_milliseconds: How long it was held.
        started_at_seconds: Unix time.
        ended_at_seconds: Unix time; the batch counts for the quota of this moment's year (UTC).
        nonce: Any number that this sensor has not signed before; there is no order.
    """

    dairy: bytes
    sensor: bytes
    batch_id: bytes
    litres: Units
    temperature_milli_celsius: int
    holding_milliseconds: int
    started_at_seconds: int
    ended_at_seconds: int
    nonce: int


def artifact() -> Artifact:
    """The compiled module; its deployer becomes owner."""
    return load_artifact("minting_module")


def init_code(terms: Terms) -> bytes:
    """The data of the transaction that deploys the module."""
    return abi.init_code(
        artifact(),
        terms.bill,
        terms.subsidy_token,
        terms.regulator,
        terms.delay_seconds,
        [tuple(standard) for standard in terms.standards],
        terms.max_age_seconds,
        terms.second_sensor_above_litres,
        terms.subsidy_per_litre,
    )


def domain(*, chain_id: int, module: bytes) -> dict[str, Any]:
    """The EIP-712 domain that every attestation is bound to.

    Args:
        chain_id: The chain's EIP-155 id; an attestation is worthless on any other chain.
        module: The minting module's address, 20 bytes.
    """
    return {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": chain_id,
        "verifyingContract": hex_of(module),
    }


def attestation_typed_data(
    attestation: BatchAttestation, *, chain_id: int, module: bytes
) -> TypedData:
    """What a sensor signs; a second sensor signs the very same message."""
    return typed_data(
        domain=domain(chain_id=chain_id, module=module),
        primary_type="BatchAttestation",
        fields=_ATTESTATION_FIELDS,
        message={
            "dairy": hex_of(attestation.dairy),
            "sensor": hex_of(attestation.sensor),
            "batchId": hex_of(attestation.batch_id),
            "litres": str(attestation.litres),
            "temperatureMilliCelsius": str(attestation.temperature_milli_celsius),
            "holdingMilliseconds": str(attestation.holding_milliseconds),
            "startedAt": str(attestation.started_at_seconds),
            "endedAt": str(attestation.ended_at_seconds),
            "nonce": str(attestation.nonce),
        },
    )


def attestation_argument(attestation: BatchAttestation) -> tuple[str | bytes | int, ...]:
    """The attestation as `submit_batch` takes it.

    The signatures follow as a list of (v, r, s), that of the attestation's own sensor first.
    """
    return (
        hex_of(attestation.dairy),
        hex_of(attestation.sensor),
        attestation.batch_id,
        attestation.litres,
        attestation.temperature_milli_celsius,
        attestation.holding_milliseconds,
        attestation.started_at_seconds,
        attestation.ended_at_seconds,
        attestation.nonce,
    )
