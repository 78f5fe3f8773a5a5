# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Order vault
@custom:contract-name order_vault
@license MIT
@notice The code behind every order address: it hands what an order received to the factory's
        choice of payee, and obeys nobody but the factory.
@dev Every vault is an EIP-1167 minimal proxy onto one deployment of this contract. There is no
     storage, no initialiser, no owner and no upgrade. `FACTORY` is an immutable, so it lives in this
     code and reads the same through every proxy.
"""

from ethereum.ercs import IERC20

FACTORY: public(immutable(address))


@deploy
def __init__():
    """
    @notice Makes the deployer the only caller that `forward` obeys; the factory deploys this itself.
    """
    FACTORY = msg.sender


@external
def forward(token: address, treasury: address, amount: uint256):
    """
    @notice Hands `amount` of `token` to `treasury`; only the factory may call.
    @param token An ERC-20 contract, or the zero address for the chain's native coin.
    @param treasury The payee, which the factory has proved to be the one this vault's address
           commits to.
    @param amount Base units of the token.
    """
    assert msg.sender == FACTORY, "order_vault: caller is not the factory"
    if token == empty(address):
        raw_call(treasury, b"", value=amount)
    else:
        # Tokens that return nothing on success are taken at their word; `false` is a refusal.
        assert extcall IERC20(token).transfer(
            treasury, amount, default_return_value=True
        ), "order_vault: token refused the transfer"
