# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Standing order
@custom:contract-name standing_order
@license MIT
@notice What a payer signs (EIP-712) to have milk paid for period by period, and what that comes to.
@dev A module. Prices and rates are ringgit with 8 decimals, per litre and per BILL. The arithmetic is
     that of any order at a till: an amount in whole sen, turned into BILL at a locked rate and
     rounded up to 6 decimals; `ledger/payment_policy.py` computes the same.
"""

from snekmate.utils import eip712_domain_separator

uses: eip712_domain_separator


struct StandingOrder:
    payer: address
    merchant: address
    into_vaults: bool
    litres: uint256
    period_seconds: uint256
    price_mode: uint8
    fixed_price: uint256
    max_price: uint256
    rate: uint256
    starts_at: uint256
    ends_at: uint256
    nonce: uint256


struct Signature:
    v: uint8
    r: bytes32
    s: bytes32


FIXED_PRICE: public(constant(uint8)) = 0
ALL_MILK_PRICE: public(constant(uint8)) = 1

STANDING_ORDER_TYPEHASH: public(constant(bytes32)) = keccak256(
    "StandingOrder(address payer,address merchant,bool intoVaults,uint256 litres,uint256 periodSeconds,uint8 priceMode,uint256 fixedPrice,uint256 maxPrice,uint256 rate,uint256 startsAt,uint256 endsAt,uint256 nonce)"
)
CANCEL_TYPEHASH: public(constant(bytes32)) = keccak256("CancelStandingOrder(address payer,uint256 nonce)")

# A million litres, ringgit a litre, ringgit a BILL: beyond is a slip, and products stay in 256 bits.
_MAX_LITRES: constant(uint256) = 10**24
_MAX_MYR: constant(uint256) = 10**14
# Half the order of secp256k1's group; a signature above it has a twin (EIP-2).
_HIGHEST_S: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)
# litres (18 decimals) times price (8 decimals) to sen (2 decimals).
_TO_SEN: constant(uint256) = 10**24
# sen (2 decimals) over a rate of 8 decimals, in steps of 6 decimals of BILL.
_SEN_TO_STEPS: constant(uint256) = 10**12
_STEP: constant(uint256) = 10**12


@internal
@view
def _hash(order: StandingOrder) -> bytes32:
    # A struct of static words encodes as its fields do.
    return keccak256(abi_encode(STANDING_ORDER_TYPEHASH, order))


@internal
@pure
def _makes_sense(order: StandingOrder) -> bool:
    return (
        order.payer != empty(address)
        and order.merchant != empty(address)
        and order.litres <= _MAX_LITRES
        and order.period_seconds > 0
        and order.price_mode in [FIXED_PRICE, ALL_MILK_PRICE]
        and order.fixed_price <= _MAX_MYR
        and order.max_price <= _MAX_MYR
        and order.rate > 0
        and order.rate <= _MAX_MYR
    )


@internal
@view
def _is_signed(struct_hash: bytes32, signer: address, signature: Signature) -> bool:
    # Answers where snekmate's `ecdsa` would revert: one bad signature must not stop a whole list.
    s: uint256 = convert(signature.s, uint256)
    if s > _HIGHEST_S:
        return False
    digest: bytes32 = eip712_domain_separator._hash_typed_data_v4(struct_hash)
    recovered: address = ecrecover(digest, convert(signature.v, uint256), convert(signature.r, uint256), s)
    return recovered != empty(address) and recovered == signer


@internal
@pure
def _due(litres: uint256, price: uint256, rate: uint256) -> uint256:
    sen: uint256 = litres * price // _TO_SEN
    steps: uint256 = (sen * _SEN_TO_STEPS + rate - 1) // rate
    return steps * _STEP


@internal
@pure
def _order_key(order_hash: bytes32, period: uint256) -> bytes32:
    # keccak256 of an order id, as for every order; half of the hash is plenty to tell orders apart.
    return keccak256(
        concat("ord_so_", uint2str(convert(order_hash, uint256) >> 128), "_", uint2str(period))
    )
