# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Batch attestation
@custom:contract-name batch_attestation
@license MIT
@notice What a sensor signs about a batch of pasteurised milk (EIP-712), and who signed it.
@dev A module.
"""

from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator

uses: eip712_domain_separator


struct Attestation:
    dairy: address
    sensor: address
    batch_id: bytes32
    litres: uint256
    temperature: int256
    holding_ms: uint256
    started_at: uint256
    ended_at: uint256
    nonce: uint256


struct Signature:
    v: uint8
    r: bytes32
    s: bytes32


ATTESTATION_TYPEHASH: public(constant(bytes32)) = keccak256(
    "BatchAttestation(address dairy,address sensor,bytes32 batchId,uint256 litres,int256 temperatureMilliCelsius,uint256 holdingMilliseconds,uint256 startedAt,uint256 endedAt,uint256 nonce)"
)


@internal
@view
def _digest(attestation: Attestation) -> bytes32:
    # A struct of nine static words encodes as its fields do.
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(ATTESTATION_TYPEHASH, attestation))
    )


@internal
@pure
def _signer(digest: bytes32, signature: Signature) -> address:
    # Reverts on a high s and on a signature that recovers to the zero address.
    return ecdsa._recover_vrs(
        digest, convert(signature.v, uint256), convert(signature.r, uint256), convert(signature.s, uint256)
    )
