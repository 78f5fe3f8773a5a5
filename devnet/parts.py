"""Who acts in the milk economy, and what the contracts say to it."""

from contracts.event_log import EventLogReader
from contracts.followed import Contract
from contracts.signing import LocalAccount
from devnet.dev_accounts import require_throwaway_chain
from devnet.home import state_home
from devnet.keystore import find_wallet, unlock_wallet
from devnet.manifest import Manifest
from devnet.node import Node
from devnet.wallet_commands import ask_password
from ledger.contract_event import ContractEvent
from ledger.deployment import Economy
from ledger.errors import CorruptError, RejectedError
from ledger.json_hex import to_hex


def require_economy(manifest: Manifest) -> Economy:
    """Where the economy's contracts are.

    Raises:
        RejectedError: `not_configured`, when there are none.
    """
    if manifest.economy is None:
        raise RejectedError(
            "not_configured",
            "BILLCOIN_MINTING_MODULE_ADDRESS is not known: this devnet has no milk economy",
            param="BILLCOIN_MINTING_MODULE_ADDRESS",
        )
    return manifest.economy


def actor(wallet_name: str | None, own: LocalAccount, chain_id: int) -> LocalAccount:
    """The wallet of that name, or the devnet's own account where everybody may know its key.

    Raises:
        RejectedError: `wallet_needed` on a chain that is no local devnet.
    """
    if wallet_name is None:
        require_throwaway_chain(chain_id)
        return own
    return unlock_wallet(find_wallet(state_home(), wallet_name), ask_password(wallet_name))


async def events_of(
    node: Node, tx_hash: bytes, contract: Contract, address: bytes
) -> dict[str, ContractEvent]:
    """What a contract at `address` told in a transaction, by the events' names; the last of each.

    Raises:
        CorruptError: The transaction has left the chain since it was seen there.
    """
    receipt = await node.call("eth_getTransactionReceipt", to_hex(tx_hash))
    if receipt is None:
        raise CorruptError(f"{to_hex(tx_hash)} has left the chain")
    reader = EventLogReader([(contract, address)])
    # The reader counts a block's transactions; here there is only one.
    return {event.name: event for event in reader.read([receipt], [tx_hash])}
