# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Order vault factory
@custom:contract-name order_vault_factory
@license MIT
@notice Gives every (treasury, order key) an address that can be paid before it has code, and sweeps
        what arrived there to that treasury. Anyone may sweep: the address itself commits to where
        the money goes, so there is nothing to steal and nobody to trust.
@dev The address is CREATE2 (EIP-1014) of a minimal proxy (EIP-1167) with the salt
     keccak256(abi_encode(treasury, order_key)). No storage, no owner, no upgrade, which is also why
     re-entering `sweep` gains nothing.
"""

from ethereum.ercs import IERC20
from snekmate.utils import create2


interface IOrderVault:
    def forward(token: address, treasury: address, amount: uint256): nonpayable


event Swept:
    token: indexed(address)
    treasury: indexed(address)
    order_key: indexed(bytes32)
    vault: address
    amount: uint256


# 256 first sweeps of BILL need a gas limit of 14.7 million, under the 16.8 million that EIP-7825 allows
# one transaction; a longer list could not be sent at once anyway.
MAX_ORDERS: public(constant(uint256)) = 256

# The creation code that Vyper's `create_minimal_proxy_to` emits around the implementation's address:
# a 9-byte loader, then the 45 bytes of EIP-1167.
_PROXY_BEFORE: constant(Bytes[19]) = x"602d3d8160093d39f3363d3d373d3d3d363d73"
_PROXY_AFTER: constant(Bytes[15]) = x"5af43d82803e903d91602b57fd5bf3"

implementation: public(immutable(address))
_PROXY_INIT_CODE_HASH: immutable(bytes32)


@deploy
def __init__(vault_init_code: Bytes[4096]):
    """
    @notice Deploys the vault implementation, which thereby knows this factory as its only caller.
    @param vault_init_code The creation code of `order_vault`.
    """
    target: address = raw_create(vault_init_code)
    implementation = target
    _PROXY_INIT_CODE_HASH = keccak256(concat(_PROXY_BEFORE, convert(target, bytes20), _PROXY_AFTER))


@external
@view
def vault_address(treasury: address, order_key: bytes32) -> address:
    """
    @notice The order address: where to pay, whether or not a vault has been deployed there yet.
    @param treasury The only payee this address can ever forward to.
    @param order_key keccak256 of the order id.
    @return address The vault's address.
    """
    return self._vault_address(self._salt(treasury, order_key))


@external
def sweep(token: address, treasury: address, order_keys: DynArray[bytes32, MAX_ORDERS]) -> uint256:
    """
    @notice Forwards the whole balance of each order's vault to `treasury`, deploying vaults as
            needed; anyone may call. Empty vaults are passed over and not deployed.
    @dev All or nothing: a token that refuses one transfer reverts the sweep. Emits `Swept` for each
         vault that held something.
    @param token An ERC-20 contract, or the zero address to rescue native coin sent by mistake before
           the vault was deployed (a deployed vault refuses it).
    @param treasury The payee; another one than the order's means another, empty, vault.
    @param order_keys Up to 256 order keys; a repeated one counts once.
    @return uint256 The sum forwarded, in base units.
    """
    assert treasury != empty(address), "order_vault_factory: treasury is the zero address"
    total: uint256 = 0
    for order_key: bytes32 in order_keys:
        salt: bytes32 = self._salt(treasury, order_key)
        vault: address = self._vault_address(salt)
        amount: uint256 = self._balance(token, vault)
        if amount == 0:
            continue
        if not vault.is_contract:
            vault = create_minimal_proxy_to(implementation, salt=salt)
        extcall IOrderVault(vault).forward(token, treasury, amount)
        log Swept(token=token, treasury=treasury, order_key=order_key, vault=vault, amount=amount)
        total += amount
    return total


@internal
@view
def _balance(token: address, vault: address) -> uint256:
    if token == empty(address):
        return vault.balance
    return staticcall IERC20(token).balanceOf(vault)


@internal
@pure
def _salt(treasury: address, order_key: bytes32) -> bytes32:
    return keccak256(abi_encode(treasury, order_key))


@internal
@view
def _vault_address(salt: bytes32) -> address:
    return create2._compute_create2_address_self(salt, _PROXY_INIT_CODE_HASH)
