# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Attestation verifier
@custom:contract-name attestation_verifier
@license MIT
@notice Tells other contracts whether the oracle signed that an order is paid, and lets each contract
        rely on that once for each order.
@dev Only a yes is ever signed, so there is no field that a caller could forget to look at. One signer
     is enough: several of one oracle would be held by the same hands, and who wants two oracles asks
     for an attestation of each. A new signer is announced by the timelock; a signer is revoked at
     once and for good, together with everything that it ever signed. Ownership cannot be renounced,
     since a stolen key has to be revocable for ever.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator
from . import timelock

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: timelock[ownable := ownable]
initializes: eip712_domain_separator

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    timelock.__interface__,
    eip712_domain_separator.eip712Domain,
)


struct Attestation:
    order_key: bytes32
    tx_hash: bytes32
    block_number: uint256
    block_hash: bytes32
    token: address
    treasury: address
    amount_due: uint256
    amount_received: uint256
    finality: uint8
    consumer: address
    issued_at: uint256
    expires_at: uint256


event SignerAdded:
    signer: indexed(address)


event SignerRevoked:
    signer: indexed(address)


event AttestationConsumed:
    consumer: indexed(address)
    order_key: indexed(bytes32)
    signer: indexed(address)
    digest: bytes32


ATTESTATION_TYPEHASH: public(constant(bytes32)) = keccak256(
    "PaymentAttestation(bytes32 orderKey,bytes32 txHash,uint256 blockNumber,bytes32 blockHash,address token,address treasury,uint256 amountDue,uint256 amountReceived,uint8 finality,address consumer,uint256 issuedAt,uint256 expiresAt)"
)

# Half the order of secp256k1's group; a signature above it has a twin (EIP-2).
_HIGHEST_S: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)
_SIGNATURE_BYTES: constant(uint256) = 65
# How far back the chain itself tells a block's hash.
_KNOWN_BLOCKS: constant(uint256) = 256

is_signer: public(HashMap[address, bool])
is_revoked: public(HashMap[address, bool])
# By consumer, so that nobody can use up what is meant for another contract.
is_consumed: public(HashMap[address, HashMap[bytes32, bool]])


@deploy
def __init__(delay_seconds: uint256, signers: DynArray[address, 8]):
    """
    @notice Makes the deployer owner.
    @param delay_seconds How long a new signer is announced before it can be added.
    @param signers The first signers.
    """
    ownable.__init__()
    ownable_2step.__init__()
    timelock.__init__(delay_seconds)
    eip712_domain_separator.__init__("BillCoin Attestation", "1")
    for signer: address in signers:
        self._add(signer)


@external
def add_signer(signer: address):
    """
    @notice Trusts another signer; only as a queued change.
    @param signer Its address; never one that was revoked.
    """
    timelock._check_delayed()
    self._add(signer)


@external
def revoke_signer(signer: address):
    """
    @notice Trusts a signer no longer, at once and for good; only the owner may call. An address that
            was announced but not added yet can be revoked as well.
    @param signer Its address.
    """
    ownable._check_owner()
    assert not self.is_revoked[signer], "attestation_verifier: signer is revoked already"
    self.is_signer[signer] = False
    self.is_revoked[signer] = True
    log SignerRevoked(signer=signer)


@external
def consume(attestation: Attestation, signature: Bytes[65]):
    """
    @notice Relies on an attestation, once for each order; only its own consumer may call.
    @dev Asks no more than `verify` does: which token, treasury, amount and finality are good enough,
         and whether the order is one of its own, is for the caller to compare.
    @param attestation What was signed.
    @param signature 65 bytes: r, s and v, as wallets write them.
    """
    assert attestation.consumer == msg.sender, "attestation_verifier: caller is not the consumer"
    assert not self.is_consumed[msg.sender][attestation.order_key], "attestation_verifier: order is consumed already"
    digest: bytes32 = self._digest(attestation)
    signer: address = self._recovered(digest, signature)
    reason: String[32] = self._refusal(attestation, signer)
    assert reason == "", concat("attestation_verifier: ", reason)
    self.is_consumed[msg.sender][attestation.order_key] = True
    log AttestationConsumed(
        consumer=msg.sender, order_key=attestation.order_key, signer=signer, digest=digest
    )


@external
@view
def verify(attestation: Attestation, signature: Bytes[65]) -> bool:
    """
    @notice Whether an attestation can be relied on now; a bad one is answered, not reverted. Says
            nothing of whether it has been consumed.
    @param attestation What was signed.
    @param signature 65 bytes: r, s and v, as wallets write them.
    @return bool True when a signer that is not revoked signed it, it has not expired, and its block
            is not known to have left the chain.
    """
    signer: address = self._recovered(self._digest(attestation), signature)
    return self._refusal(attestation, signer) == ""


@external
@view
def refusal(attestation: Attestation, signature: Bytes[65]) -> String[32]:
    """
    @notice Why `verify` would say no.
    @param attestation What was signed.
    @param signature 65 bytes: r, s and v, as wallets write them.
    @return String The reason in words, empty where there is none.
    """
    return self._refusal(attestation, self._recovered(self._digest(attestation), signature))


@external
@view
def attestation_digest(attestation: Attestation) -> bytes32:
    """
    @notice What a signer signs: the EIP-712 hash of an attestation under this contract's domain.
    @param attestation The attestation.
    @return bytes32 The digest.
    """
    return self._digest(attestation)


@internal
def _add(signer: address):
    assert signer != empty(address), "attestation_verifier: signer is the zero address"
    assert not self.is_signer[signer], "attestation_verifier: signer is added already"
    assert not self.is_revoked[signer], "attestation_verifier: signer is revoked"
    self.is_signer[signer] = True
    log SignerAdded(signer=signer)


@internal
@view
def _digest(attestation: Attestation) -> bytes32:
    # A struct of static words encodes as its fields do.
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(ATTESTATION_TYPEHASH, attestation))
    )


@internal
@pure
def _recovered(digest: bytes32, signature: Bytes[65]) -> address:
    # Answers where snekmate's `ecdsa` would revert, so that `verify` can say no.
    if len(signature) != _SIGNATURE_BYTES:
        return empty(address)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    if s > _HIGHEST_S:
        return empty(address)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    return ecrecover(digest, v, extract32(signature, 0, output_type=uint256), s)


@internal
@view
def _refusal(attestation: Attestation, signer: address) -> String[32]:
    # `ecrecover` gives the zero address for what is no signature; that one is never a signer.
    if not self.is_signer[signer]:
        return "signer is revoked" if self.is_revoked[signer] else "not signed by a signer"
    if block.timestamp >= attestation.expires_at:
        return "attestation has expired"
    # A payment lies in the past of whoever relies on it: else its block was taken back.
    if attestation.block_number >= block.number:
        return "block is not in the past"
    if block.number - attestation.block_number <= _KNOWN_BLOCKS:
        if blockhash(attestation.block_number) != attestation.block_hash:
            return "block has left the chain"
    return ""
