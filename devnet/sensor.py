"""A dairy's pasteuriser line: what its sensors measure, sign and submit, and how they can fail."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from contracts import minting_module
from contracts.abi import call_data
from contracts.minting_module import BatchAttestation, attestation_argument, attestation_typed_data
from contracts.signing import Account, LocalAccount, encode_typed_data
from devnet.economy import LITRE, MAX_BATCH_AGE_SECONDS, SECOND_SENSOR_ABOVE, YEARLY_QUOTA
from devnet.node import CallRevertedError, Node, Receipt
from devnet.transactions import Message, address_of, require_success, send
from ledger.json_hex import read_quantity, to_hex
from ledger.units import Units

NO_REASON = "the contract refuses, and the node does not tell why"
_BATCH_SECONDS = 1_800
_SKEW_SECONDS = 3_600
# A batch that is refused is sent all the same when asked for; no estimate exists for it.
_REFUSED_GAS = 400_000


class Fault(StrEnum):
    """What can be wrong with a batch; each has its own words of refusal in the contract."""

    UNDER_TEMPERATURE = "under-temperature"
    SHORT_HOLDING = "short-holding"
    IMPOSSIBLE_HOLDING = "impossible-holding"
    REPLAY = "replay"
    REUSED_BATCH_ID = "reused-batch-id"
    CLOCK_SKEW = "clock-skew"
    TOO_OLD = "too-old"
    EMPTY = "empty"
    OVER_QUOTA = "over-quota"
    SECOND_SENSOR_MISSING = "second-sensor-missing"
    UNKNOWN_SENSOR = "unknown-sensor"
    FORGED_SIGNATURE = "forged-signature"


@dataclass(frozen=True)
class Line:
    """A dairy's line: who is paid, who signs, and where it is submitted."""

    module: bytes
    chain_id: int
    dairy: bytes
    sensors: tuple[LocalAccount, ...]


@dataclass(frozen=True)
class SignedBatch:
    """An attestation with what its sensors answered, in the order of their signing."""

    attestation: BatchAttestation
    signatures: tuple[tuple[int, int, int], ...]

    def call_data(self) -> bytes:
        """The data of the transaction that submits it; anybody may send that."""
        return call_data(
            minting_module.artifact(),
            "submit_batch",
            attestation_argument(self.attestation),
            [(v, r.to_bytes(32), s.to_bytes(32)) for v, r, s in self.signatures],
        )


def measure(line: Line, random: Random, *, litres: Units, at_seconds: int) -> BatchAttestation:
    """A sound batch that ended at this moment, as the line's first sensor measured it."""
    return BatchAttestation(
        dairy=line.dairy,
        sensor=address_of(line.sensors[0]),
        batch_id=secrets.token_bytes(32),
        litres=litres,
        temperature_milli_celsius=random.randint(72_300, 75_000),
        holding_milliseconds=random.randint(15_200, 20_000),
        started_at_seconds=at_seconds - _BATCH_SECONDS,
        ended_at_seconds=at_seconds,
        nonce=secrets.randbits(128),
    )


def sign_batch(
    attestation: BatchAttestation, signers: Sequence[LocalAccount], line: Line
) -> SignedBatch:
    """Let these accounts sign the batch."""
    message = encode_typed_data(
        full_message=attestation_typed_data(attestation, chain_id=line.chain_id, module=line.module)
    )
    signed = [signer.sign_message(message) for signer in signers]
    return SignedBatch(attestation, tuple((item.v, item.r, item.s) for item in signed))


def prepare(
    attestation: BatchAttestation, line: Line, *, fault: Fault | None = None
) -> SignedBatch:
    """Sign a sound batch, or one that has this fault; large ones by two sensors."""
    batch = _spoilt(attestation, fault)
    signers = line.sensors[:2] if batch.litres > SECOND_SENSOR_ABOVE else line.sensors[:1]
    stranger: LocalAccount = Account.from_key(secrets.token_bytes(32))
    if fault is Fault.UNKNOWN_SENSOR:
        batch, signers = replace(batch, sensor=address_of(stranger)), (stranger,)
    elif fault is Fault.FORGED_SIGNATURE:
        signers = (stranger,)
    elif fault is Fault.SECOND_SENSOR_MISSING:
        signers = line.sensors[:1]
    return sign_batch(batch, signers, line)


def _spoilt(batch: BatchAttestation, fault: Fault | None) -> BatchAttestation:
    if fault is Fault.UNDER_TEMPERATURE:
        return replace(batch, temperature_milli_celsius=58_000)
    if fault is Fault.SHORT_HOLDING:
        return replace(batch, holding_milliseconds=4_000)
    if fault is Fault.IMPOSSIBLE_HOLDING:
        return replace(batch, holding_milliseconds=2_000 * _BATCH_SECONDS)
    if fault is Fault.CLOCK_SKEW:
        return replace(batch, ended_at_seconds=batch.ended_at_seconds + _SKEW_SECONDS)
    if fault is Fault.TOO_OLD:
        late = MAX_BATCH_AGE_SECONDS + _SKEW_SECONDS
        return replace(
            batch,
            started_at_seconds=batch.started_at_seconds - late,
            ended_at_seconds=batch.ended_at_seconds - late,
        )
    if fault is Fault.EMPTY:
        return replace(batch, litres=Units(0))
    if fault is Fault.OVER_QUOTA:
        return replace(batch, litres=Units(YEARLY_QUOTA + LITRE))
    if fault is Fault.SECOND_SENSOR_MISSING:
        return replace(batch, litres=Units(max(batch.litres, SECOND_SENSOR_ABOVE + LITRE)))
    return batch


async def chain_time(node: Node) -> int:
    """The newest block's time in Unix seconds, by which the contract judges a batch."""
    return read_quantity((await node.head())["timestamp"], field="timestamp")


async def refusal(node: Node, batch: SignedBatch, line: Line, sender: LocalAccount) -> str | None:
    """The contract's words against a batch, without sending it; None when it would be accepted."""
    call = {"from": sender.address, "to": to_hex(line.module), "data": to_hex(batch.call_data())}
    try:
        await node.call("eth_call", call, "latest")
    except CallRevertedError as error:
        return error.reason or NO_REASON
    return None


async def submit(
    node: Node, batch: SignedBatch, line: Line, sender: LocalAccount, *, is_refused: bool = False
) -> Receipt:
    """Send a batch and wait for its block; a refused one is sent with gas of our own guess.

    Raises:
        RejectedError: `transaction_reverted`, unless `is_refused`.
    """
    tx_hash = await send(
        node,
        sender,
        Message(line.module, batch.call_data()),
        chain_id=line.chain_id,
        gas_limit=_REFUSED_GAS if is_refused else None,
    )
    receipt = await node.receipt(tx_hash)
    return receipt if is_refused else require_success(receipt)
