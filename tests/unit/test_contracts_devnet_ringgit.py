"""Devnet ringgit: money for rehearsals, minted by whoever deployed it."""

import boa

from contracts import devnet_ringgit, rehearsal


def test_its_deployer_mints_and_nobody_else() -> None:
    holder = "0x" + "0e" * 20
    with rehearsal.fresh_state():
        ringgit = rehearsal.deploy(devnet_ringgit.artifact(), devnet_ringgit.init_code())
        ringgit.mint(holder, 5)
        with boa.reverts("erc20: access is denied"):
            ringgit.mint(holder, 5, sender=holder)

        assert ringgit.balanceOf(holder) == ringgit.totalSupply() == 5
        assert (ringgit.symbol(), ringgit.decimals()) == (
            devnet_ringgit.SYMBOL,
            devnet_ringgit.DECIMALS,
        )
