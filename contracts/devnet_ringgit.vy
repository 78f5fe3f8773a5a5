# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Devnet ringgit
@custom:contract-name devnet_ringgit
@license MIT
@notice An ERC-20 that stands in for the programme's money on devnets and in rehearsals, so that
        subsidies and settlements can be seen arriving. Worth nothing; where money is real, a ringgit
        token of the programme's choice takes its place.
@dev snekmate's `erc20` as it is: its owner mints what it likes.
"""

from snekmate.auth import ownable
from snekmate.tokens import erc20

initializes: ownable
initializes: erc20[ownable := ownable]

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
    erc20.mint,
    erc20.is_minter,
    erc20.owner,
)


@deploy
def __init__():
    """
    @notice Makes the deployer owner and minter, with a supply of zero.
    """
    ownable.__init__()
    erc20.__init__("Devnet ringgit", "dMYR", 18, "Devnet ringgit", "1")
