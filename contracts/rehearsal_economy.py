"""The milk economy on an in-process EVM: for tests, where no node is needed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import boa

from contracts import devnet_ringgit, minting_module, timelock
from contracts.artifact import Artifact
from contracts.minting_module import HTST, LTLT, BatchAttestation
from contracts.rehearsal import (
    Signature,
    account_address,
    contract_address,
    deploy,
    deploy_billcoin,
    now_seconds,
    sign,
)
from contracts.signing import Account, LocalAccount
from ledger.units import Units

LITRE = Units(10**18)
DELAY_SECONDS = 2 * 86_400
MAX_AGE_SECONDS = 86_400
SECOND_SENSOR_ABOVE = Units(1_000 * LITRE)
QUOTA = Units(10_000 * LITRE)
SUBSIDY_PER_LITRE = 10**17
POOL_UNITS = 10**24
START_SECONDS = 1_775_808_000
"""10 April 2026, 08:00 UTC: when every rehearsal begins."""
YEAR = 2026

SENSORS: tuple[LocalAccount, ...] = tuple(
    Account.from_key(bytes([0x50 + number]) * 32) for number in range(4)
)
"""The first two belong to the first dairy, the third to the second; the last is nobody's."""


def bytes_of(address: str) -> bytes:
    """The 20 bytes of an address in hex."""
    return bytes.fromhex(address[2:])


def set_time(seconds: int) -> None:
    """Let the next call run in a block of this Unix time."""
    boa.env.evm.patch.timestamp = seconds


def named(name: str) -> str:
    """A fresh account that only ever sends from this EVM."""
    return str(boa.env.generate_address(name))


def chain_id() -> int:
    """The EIP-155 id of this EVM."""
    identity: int = boa.env.evm.patch.chain_id
    return identity


def change(contract: Any, artifact: Artifact, function: str, *arguments: Any) -> None:
    """Queue a change as the owner, let its delay pass, and execute it."""
    payload = timelock.change_payload(artifact, function, *arguments)
    contract.queue_change(payload)
    set_time(now_seconds() + contract.DELAY_SECONDS())
    contract.execute_change(payload)


@dataclass(frozen=True)
class Mint:
    """A token, a programme's ringgit, and a Minting Module Unit with two dairies and their sensors.

    The current sender owns everything.
    """

    bill: Any
    ringgit: Any
    module: Any
    regulator: str
    dairy: str
    other_dairy: str
    stranger: str
    nonces: list[int] = field(default_factory=list)

    def attestation(self, litres: int = LITRE, **changes: Any) -> BatchAttestation:
        """A batch of the first dairy that has just ended and that nothing is wrong with."""
        number = len(self.nonces)
        self.nonces.append(number)
        batch = BatchAttestation(
            dairy=bytes_of(self.dairy),
            sensor=account_address(SENSORS[0]),
            batch_id=number.to_bytes(32),
            litres=Units(litres),
            temperature_milli_celsius=72_500,
            holding_milliseconds=16_000,
            started_at_seconds=now_seconds() - 3_600,
            ended_at_seconds=now_seconds(),
            nonce=number,
        )
        return replace(batch, **changes)

    def sign(self, attestation: BatchAttestation, sensor: LocalAccount = SENSORS[0]) -> Signature:
        """What the sensor answers when it is asked to attest."""
        message = minting_module.attestation_typed_data(
            attestation, chain_id=chain_id(), module=contract_address(self.module)
        )
        return sign(sensor, message)

    def submit(
        self,
        attestation: BatchAttestation,
        signatures: Sequence[Signature] | None = None,
        *,
        sender: str | None = None,
    ) -> None:
        """Submit a batch, by default as a stranger and with the first sensor's signature."""
        if signatures is None:
            signatures = [self.sign(attestation)]
        self.module.submit_batch(
            minting_module.attestation_argument(attestation),
            list(signatures),
            sender=sender or self.stranger,
        )

    def attest(self, litres: int = LITRE, **changes: Any) -> BatchAttestation:
        """Have a batch attested by one sensor, or by two where it is large, and submit it."""
        attestation = self.attestation(litres, **changes)
        signers = SENSORS[:2] if litres > SECOND_SENSOR_ABOVE else SENSORS[:1]
        self.submit(attestation, [self.sign(attestation, sensor) for sensor in signers])
        return attestation


def mint_terms(*, bill: Any, subsidy_token: Any, regulator: str) -> minting_module.Terms:
    """What the rehearsal's Minting Module Unit is deployed with."""
    return minting_module.Terms(
        bill=contract_address(bill),
        subsidy_token=contract_address(subsidy_token),
        regulator=bytes_of(regulator),
        delay_seconds=DELAY_SECONDS,
        standards=(HTST, LTLT),
        max_age_seconds=MAX_AGE_SECONDS,
        second_sensor_above_litres=SECOND_SENSOR_ABOVE,
        subsidy_per_litre=SUBSIDY_PER_LITRE,
    )


def deploy_mint(*, subsidy_token: Any = None) -> Mint:
    """Deploy BILL and its Minting Module Unit, approve dairies and sensors, fund the subsidies.

    Args:
        subsidy_token: Another one than a well-behaved token; the pool is then left empty.
    """
    set_time(START_SECONDS)
    regulator = named("regulator")
    bill = deploy_billcoin()
    ringgit = subsidy_token or deploy(devnet_ringgit.artifact(), devnet_ringgit.init_code())
    terms = mint_terms(bill=bill, subsidy_token=ringgit, regulator=regulator)
    module = deploy(minting_module.artifact(), minting_module.init_code(terms))
    bill.set_minter(module.address, True)  # noqa: FBT003 - the token's ABI takes it by position
    stage = Mint(
        bill=bill,
        ringgit=ringgit,
        module=module,
        regulator=regulator,
        dairy=named("dairy"),
        other_dairy=named("other dairy"),
        stranger=named("stranger"),
    )
    for dairy in (stage.dairy, stage.other_dairy):
        module.approve_dairy(dairy, sender=regulator)
        module.set_quota(dairy, YEAR, QUOTA, sender=regulator)
    for sensor, dairy in zip(SENSORS, (stage.dairy, stage.dairy, stage.other_dairy), strict=False):
        module.approve_sensor(sensor.address, dairy, sender=regulator)
    if subsidy_token is None:
        ringgit.mint(module.address, POOL_UNITS)
    return stage
