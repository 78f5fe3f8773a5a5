# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Minting Module Unit
@custom:contract-name minting_module
@license MIT
@notice Mints 1 BILL to a dairy for each litre of milk that its sensors attest as pasteurised, inside
        the quota that the regulator set, and pays the subsidy per litre in the same transaction.
@dev It is a minter of BILL and should be the only one; then the supply is what was attested, less
     what was redeemed at the market and otherwise burned. Nobody, the owner and the regulator
     included, can move BILL through it: it mints against attestations and burns its caller's BILL.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator
from snekmate.utils import pausable
from . import batch_attestation
from . import dairy_register
from . import pasteurisation
from . import payout_pool
from . import recall_debt
from . import regulation
from . import timelock
from . import utc_year

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: timelock[ownable := ownable]
initializes: regulation
initializes: dairy_register[regulation := regulation]
initializes: pasteurisation
initializes: payout_pool[regulation := regulation]
initializes: recall_debt[payout_pool := payout_pool]
initializes: eip712_domain_separator
initializes: batch_attestation[eip712_domain_separator := eip712_domain_separator]
initializes: pausable

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    ownable_2step.renounce_ownership,
    timelock.__interface__,
    regulation.__interface__,
    dairy_register.__interface__,
    pasteurisation.__interface__,
    payout_pool.__interface__,
    recall_debt.__interface__,
    eip712_domain_separator.eip712Domain,
    batch_attestation.__interface__,
    pausable.paused,
)


struct Batch:
    litres: uint256
    subsidy: uint256
    accepted_at: uint256
    recalled: bool


event BatchAccepted:
    dairy: indexed(address)
    batch_id: indexed(bytes32)
    sensor: indexed(address)
    second_sensor: address
    litres: uint256
    temperature: int256
    holding_ms: uint256
    started_at: uint256
    ended_at: uint256
    nonce: uint256
    year: uint256
    subsidy: uint256


event BatchRecalled:
    dairy: indexed(address)
    batch_id: indexed(bytes32)
    litres: uint256
    subsidy: uint256
    reason: String[100]


event LimitsSet:
    max_age_seconds: uint256
    second_sensor_above_litres: uint256


_MAX_AGE_SECONDS: constant(uint256) = 30 * 86_400

max_age_seconds: public(uint256)
second_sensor_above_litres: public(uint256)
# By dairy and batch id: one dairy cannot use up the ids of another.
batches: public(HashMap[address, HashMap[bytes32, Batch]])
nonce_used: public(HashMap[address, HashMap[uint256, bool]])
attested_total: public(uint256)


@deploy
def __init__(
    bill: address,
    subsidy_token: address,
    regulator: address,
    delay_seconds: uint256,
    standards: DynArray[pasteurisation.Standard, 8],
    max_age_seconds: uint256,
    second_sensor_above_litres: uint256,
    subsidy_per_litre: uint256,
):
    """
    @notice Makes the deployer owner. BILL's owner must still appoint this contract as minter.
    @param bill BILL's contract.
    @param subsidy_token The ERC-20 that subsidies are paid in, for good.
    @param regulator The first regulator.
    @param delay_seconds How long dangerous changes are announced before they can be made.
    @param standards The first table of pasteurisation standards.
    @param max_age_seconds How long after its end a batch may be submitted.
    @param second_sensor_above_litres Larger batches need a second sensor; with 18 decimals.
    @param subsidy_per_litre The first subsidy, in base units of the token per litre.
    """
    ownable.__init__()
    ownable_2step.__init__()
    timelock.__init__(delay_seconds)
    regulation.__init__(regulator)
    pasteurisation.__init__(standards)
    payout_pool.__init__(subsidy_token, bill, subsidy_per_litre)
    recall_debt.__init__(bill)
    eip712_domain_separator.__init__("BillCoin Minting Module", "1")
    pausable.__init__()
    self._set_limits(max_age_seconds, second_sensor_above_litres)


@external
@nonreentrant
def submit_batch(
    attestation: batch_attestation.Attestation, signatures: DynArray[batch_attestation.Signature, 2]
):
    """
    @notice Accepts a batch that its sensors signed, mints its litres to the dairy and pays the
            subsidy; anyone may submit.
    @param attestation What was signed.
    @param signatures The attestation's sensor first; then, if the batch is large, a second sensor of
           the same dairy over the same attestation.
    """
    pausable._require_not_paused()
    second_sensor: address = self._check_signatures(attestation, signatures)
    self._check_times(attestation)
    pasteurisation._check(attestation.temperature, attestation.holding_ms)

    dairy: address = attestation.dairy
    litres: uint256 = attestation.litres
    assert litres > 0, "minting_module: batch is empty"
    assert not self.nonce_used[attestation.sensor][attestation.nonce], "minting_module: nonce is used"
    assert self.batches[dairy][attestation.batch_id].accepted_at == 0, "minting_module: batch is accepted already"
    # The year in which the milk was made, not the one in which somebody found time to submit it.
    year: uint256 = utc_year._year_of(attestation.ended_at)
    dairy_register._use_quota(dairy, year, litres)

    subsidy: uint256 = payout_pool._amount(litres, payout_pool.payout_per_litre)
    self.nonce_used[attestation.sensor][attestation.nonce] = True
    self.batches[dairy][attestation.batch_id] = Batch(
        litres=litres, subsidy=subsidy, accepted_at=block.timestamp, recalled=False
    )
    self.attested_total += litres
    log BatchAccepted(
        dairy=dairy,
        batch_id=attestation.batch_id,
        sensor=attestation.sensor,
        second_sensor=second_sensor,
        litres=litres,
        temperature=attestation.temperature,
        holding_ms=attestation.holding_ms,
        started_at=attestation.started_at,
        ended_at=attestation.ended_at,
        nonce=attestation.nonce,
        year=year,
        subsidy=subsidy,
    )
    recall_debt._mint(dairy, litres)
    recall_debt._pay_subsidy(dairy, attestation.batch_id, subsidy)


@external
@nonreentrant
def recall_batch(dairy: address, batch_id: bytes32, reason: String[100]):
    """
    @notice Marks a batch as recalled, once, and makes its litres and its subsidy a debt of the dairy;
            only the regulator may call.
    @dev The litres stay counted against the year's quota: given back, a recall would let the dairy
         mint them a second time.
    @param dairy The batch's dairy.
    @param batch_id The batch.
    @param reason For people.
    """
    regulation._check_regulator()
    batch: Batch = self.batches[dairy][batch_id]
    assert batch.accepted_at != 0, "minting_module: batch is not accepted"
    assert not batch.recalled, "minting_module: batch is recalled already"
    self.batches[dairy][batch_id].recalled = True
    recall_debt._owe(dairy, batch.litres, batch.subsidy)
    log BatchRecalled(
        dairy=dairy, batch_id=batch_id, litres=batch.litres, subsidy=batch.subsidy, reason=reason
    )


@external
def set_limits(max_age_seconds: uint256, second_sensor_above_litres: uint256):
    """
    @notice Sets how old a batch may be and how large with one sensor; only as a queued change.
    @param max_age_seconds How long after its end a batch may be submitted; up to 30 days.
    @param second_sensor_above_litres Larger batches need a second sensor; with 18 decimals.
    """
    timelock._check_delayed()
    self._set_limits(max_age_seconds, second_sensor_above_litres)


@external
def pause():
    """
    @notice Stops `submit_batch` and nothing else; the regulator and the owner may call.
    """
    self._check_guardian()
    pausable._pause()


@external
def unpause():
    """
    @notice Lets batches in again; the regulator and the owner may call.
    """
    self._check_guardian()
    pausable._unpause()


@internal
@view
def _check_guardian():
    assert msg.sender in [regulation.regulator, ownable.owner], "minting_module: caller is neither regulator nor owner"


@internal
def _set_limits(max_age_seconds: uint256, second_sensor_above_litres: uint256):
    assert max_age_seconds > 0 and max_age_seconds <= _MAX_AGE_SECONDS, "minting_module: maximum age is out of range"
    self.max_age_seconds = max_age_seconds
    self.second_sensor_above_litres = second_sensor_above_litres
    log LimitsSet(max_age_seconds=max_age_seconds, second_sensor_above_litres=second_sensor_above_litres)


@internal
@view
def _check_signatures(
    attestation: batch_attestation.Attestation, signatures: DynArray[batch_attestation.Signature, 2]
) -> address:
    assert len(signatures) > 0, "minting_module: no signature"
    digest: bytes32 = batch_attestation._digest(attestation)
    assert batch_attestation._signer(digest, signatures[0]) == attestation.sensor, "minting_module: invalid signature"
    dairy_register._check_sensor(attestation.sensor, attestation.dairy)
    if len(signatures) == 1:
        assert attestation.litres <= self.second_sensor_above_litres, "minting_module: large batch needs a second sensor"
        return empty(address)
    second: address = batch_attestation._signer(digest, signatures[1])
    assert second != attestation.sensor, "minting_module: second sensor is the first"
    dairy_register._check_sensor(second, attestation.dairy)
    return second


@internal
@view
def _check_times(attestation: batch_attestation.Attestation):
    assert attestation.ended_at <= block.timestamp, "minting_module: batch ends in the future"
    assert block.timestamp - attestation.ended_at <= self.max_age_seconds, "minting_module: attestation is too old"
    assert attestation.started_at <= attestation.ended_at, "minting_module: batch ends before it starts"
    # Milk cannot have been held for longer than the whole batch took.
    assert attestation.holding_ms // 1_000 <= attestation.ended_at - attestation.started_at, "minting_module: held for longer than the batch took"
