"""The rich accounts of a throw-away chain, from the mnemonic that everybody knows."""

from eth_account import Account
from eth_account.signers.local import LocalAccount

from devnet.anvil import DEFAULT_CHAIN_ID, DEFAULT_MNEMONIC
from ledger.errors import RejectedError

DEPLOYER_INDEX = 0
TREASURY_INDEX = 1


def dev_account(index: int, *, mnemonic: str = DEFAULT_MNEMONIC) -> LocalAccount:
    """The account at this place of the mnemonic's usual derivation path."""
    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{index}")
    return account


def require_throwaway_chain(chain_id: int) -> None:
    """Refuse to use keys that everybody knows on a chain whose money may be worth something.

    Raises:
        RejectedError: `wallet_needed`.
    """
    if chain_id != DEFAULT_CHAIN_ID:
        raise RejectedError(
            "wallet_needed",
            f"chain {chain_id} is no local devnet ({DEFAULT_CHAIN_ID}): name a wallet of yours "
            "with --wallet, for the devnet's own keys are known to everybody",
        )
