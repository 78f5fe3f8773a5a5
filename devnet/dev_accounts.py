"""The rich accounts of a throw-away chain, from the mnemonic that everybody knows."""

from dataclasses import dataclass

from contracts.signing import Account, LocalAccount
from devnet.anvil import DEFAULT_CHAIN_ID, DEFAULT_MNEMONIC
from ledger.errors import RejectedError

DEPLOYER_INDEX = 0
TREASURY_INDEX = 1
REGULATOR_INDEX = 2
DAIRY_INDEX = 3
SUPPLIER_INDEX = 4
REPORTER_INDEXES = range(5, 10)
# Sensors only sign: theirs are the first two places that a chain gives no coin to.
SENSOR_INDEXES = range(10, 12)


def dev_account(index: int, *, mnemonic: str = DEFAULT_MNEMONIC) -> LocalAccount:
    """The account at this place of the mnemonic's usual derivation path."""
    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{index}")
    return account


@dataclass(frozen=True)
class EconomyAccounts:
    """Who plays which part in the milk economy; all but the sensors need coin for gas.

    Both sensors are the dairy's, so that large batches can have their second signature.
    """

    regulator: LocalAccount
    dairy: LocalAccount
    supplier: LocalAccount
    reporters: tuple[LocalAccount, ...]
    sensors: tuple[LocalAccount, ...]


def economy_accounts(*, mnemonic: str = DEFAULT_MNEMONIC) -> EconomyAccounts:
    """The parts as the devnet's own accounts play them."""
    return EconomyAccounts(
        regulator=dev_account(REGULATOR_INDEX, mnemonic=mnemonic),
        dairy=dev_account(DAIRY_INDEX, mnemonic=mnemonic),
        supplier=dev_account(SUPPLIER_INDEX, mnemonic=mnemonic),
        reporters=tuple(dev_account(index, mnemonic=mnemonic) for index in REPORTER_INDEXES),
        sensors=tuple(dev_account(index, mnemonic=mnemonic) for index in SENSOR_INDEXES),
    )


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
