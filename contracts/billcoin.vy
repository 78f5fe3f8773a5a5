# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title BillCoin
@custom:contract-name billcoin
@license MIT
@notice ERC-20 token BILL: 1 BILL (10**18 base units) stands for 1 litre of pasteurised milk in the
        approved ledger. Holders may also sign instead of sending: EIP-2612 permits and ERC-3009
        authorisations, which any relayer can broadcast and pay the gas for.
@dev Built on snekmate's `erc20`, `ecdsa` and `eip712_domain_separator`. Two things differ from
     snekmate's stock ERC-20: ownership moves in two steps, and being the owner does not make one a
     minter, so that a Minting Module Unit can become the only minter. The owner decides who mints
     and nothing else: no function moves or destroys BILL without the holder's call, allowance or
     signature.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.tokens import erc20
from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator

uses: eip712_domain_separator
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: erc20[ownable := ownable]

# Left out on purpose: `erc20.set_minter`, `erc20.transfer_ownership` and `erc20.renounce_ownership`,
# which weld the minter role to the owner and move ownership in one step.
exports: (
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.transfer,
    erc20.approve,
    erc20.transferFrom,
    erc20.burn,
    erc20.burn_from,
    erc20.mint,
    erc20.is_minter,
    erc20.permit,
    erc20.nonces,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    ownable_2step.renounce_ownership,
)


event AuthorizationUsed:
    authorizer: indexed(address)
    nonce: indexed(bytes32)


event AuthorizationCanceled:
    authorizer: indexed(address)
    nonce: indexed(bytes32)


# The type hashes of ERC-3009, word for word.
TRANSFER_WITH_AUTHORIZATION_TYPEHASH: public(constant(bytes32)) = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
RECEIVE_WITH_AUTHORIZATION_TYPEHASH: public(constant(bytes32)) = keccak256(
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
CANCEL_AUTHORIZATION_TYPEHASH: public(constant(bytes32)) = keccak256(
    "CancelAuthorization(address authorizer,bytes32 nonce)"
)

_authorization_states: HashMap[address, HashMap[bytes32, bool]]


@deploy
def __init__():
    """
    @notice Makes the deployer owner and first minter, with a supply of zero.
    """
    ownable.__init__()
    ownable_2step.__init__()
    erc20.__init__("BillCoin", "BILL", 18, "BillCoin", "1")


@external
def set_minter(minter: address, status: bool):
    """
    @notice Grants or takes away the right to mint; only the owner may call.
    @dev The owner may take it from itself as well, which leaves the Minting Module Unit alone.
    @param minter The account or contract whose right changes; not the zero address.
    @param status Whether it may mint from now on.
    """
    ownable._check_owner()
    assert minter != empty(address), "billcoin: minter is the zero address"
    erc20.is_minter[minter] = status
    log erc20.RoleMinterChanged(minter=minter, status=status)


@external
@view
def authorizationState(authorizer: address, nonce: bytes32) -> bool:
    """
    @notice Whether an authorisation can no longer be used (ERC-3009).
    @param authorizer The account that signed or would sign.
    @param nonce The authorisation's nonce, unique per authorizer.
    @return bool True once the nonce has been used or cancelled.
    """
    return self._authorization_states[authorizer][nonce]


@external
def transferWithAuthorization(
    owner: address,
    to: address,
    amount: uint256,
    validAfter: uint256,
    validBefore: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Moves BILL on the strength of its holder's signature; anyone may broadcast (ERC-3009).
    @dev `owner` and `amount` are the `from` and `value` of the standard, words that Vyper reserves.
    @param owner The holder who signed.
    @param to The payee that was signed for.
    @param amount Base units.
    @param validAfter Unix time in seconds; usable in blocks strictly later.
    @param validBefore Unix time in seconds; usable in blocks strictly earlier.
    @param nonce 32 bytes, random, unique per holder.
    @param v Signature: recovery id, 27 or 28.
    @param r Signature: r.
    @param s Signature: s, in the lower half of the curve's order (EIP-2).
    """
    self._pay_by_authorization(
        TRANSFER_WITH_AUTHORIZATION_TYPEHASH, owner, to, amount, validAfter, validBefore, nonce, v, r, s
    )


@external
def receiveWithAuthorization(
    owner: address,
    to: address,
    amount: uint256,
    validAfter: uint256,
    validBefore: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice As `transferWithAuthorization`, but only the payee may broadcast (ERC-3009).
    @dev A contract that books a deposit when it receives one uses this: nobody can take its
         signature out of the mempool and make the transfer without the booking.
    @param owner The holder who signed.
    @param to The payee that was signed for, which must be the caller.
    @param amount Base units.
    @param validAfter Unix time in seconds; usable in blocks strictly later.
    @param validBefore Unix time in seconds; usable in blocks strictly earlier.
    @param nonce 32 bytes, random, unique per holder.
    @param v Signature: recovery id, 27 or 28.
    @param r Signature: r.
    @param s Signature: s, in the lower half of the curve's order (EIP-2).
    """
    assert to == msg.sender, "billcoin: caller must be the payee"
    self._pay_by_authorization(
        RECEIVE_WITH_AUTHORIZATION_TYPEHASH, owner, to, amount, validAfter, validBefore, nonce, v, r, s
    )


@external
def cancelAuthorization(authorizer: address, nonce: bytes32, v: uint8, r: bytes32, s: bytes32):
    """
    @notice Makes a signed but unused authorisation worthless; anyone may broadcast (ERC-3009).
    @param authorizer The holder who signed the authorisation and this cancellation.
    @param nonce The nonce to burn.
    @param v Signature: recovery id, 27 or 28.
    @param r Signature: r.
    @param s Signature: s, in the lower half of the curve's order (EIP-2).
    """
    self._use_nonce(authorizer, nonce)
    self._check_signature(
        keccak256(abi_encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)), authorizer, v, r, s
    )
    log AuthorizationCanceled(authorizer=authorizer, nonce=nonce)


@internal
def _pay_by_authorization(
    type_hash: bytes32,
    owner: address,
    to: address,
    amount: uint256,
    valid_after: uint256,
    valid_before: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    assert block.timestamp > valid_after, "billcoin: authorization is not yet valid"
    assert block.timestamp < valid_before, "billcoin: authorization is expired"
    self._use_nonce(owner, nonce)
    self._check_signature(
        keccak256(abi_encode(type_hash, owner, to, amount, valid_after, valid_before, nonce)), owner, v, r, s
    )
    log AuthorizationUsed(authorizer=owner, nonce=nonce)
    erc20._transfer(owner, to, amount)


@internal
def _use_nonce(authorizer: address, nonce: bytes32):
    assert not self._authorization_states[authorizer][nonce], "billcoin: authorization is used or canceled"
    self._authorization_states[authorizer][nonce] = True


@internal
@view
def _check_signature(struct_hash: bytes32, signer: address, v: uint8, r: bytes32, s: bytes32):
    # `_recover_vrs` reverts on a high s and on a signature that recovers to the zero address.
    digest: bytes32 = eip712_domain_separator._hash_typed_data_v4(struct_hash)
    recovered: address = ecdsa._recover_vrs(
        digest, convert(v, uint256), convert(r, uint256), convert(s, uint256)
    )
    assert recovered == signer, "billcoin: invalid signature"
