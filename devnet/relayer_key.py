"""The account from which a devnet's oracle pays gas for others, made anew for each run."""

from pathlib import Path

from contracts.signing import Account, LocalAccount
from devnet.home import write_private
from devnet.node import Node
from devnet.transactions import Message, address_of, send
from ledger.json_hex import to_hex

KEY_NAME = "relayer.key"
GAS_WEI = 10 * 10**18


async def make_relayer(
    node: Node, sponsor: LocalAccount, folder: Path, *, chain_id: int
) -> dict[str, str]:
    """Write a key to `folder`, send its account coin, and say so in the oracle's own settings.

    It does not wait for a block: the oracle refuses to pay until the coin is there.
    """
    account = Account.create()
    path = folder / KEY_NAME
    # The oracle refuses a file that others can read.
    write_private(path, to_hex(bytes(account.key)))
    await send(node, sponsor, Message(address_of(account), value_wei=GAS_WEI), chain_id=chain_id)
    return {"BILLCOIN_RELAYER_NODE_URL": node.url, "BILLCOIN_RELAYER_KEY_FILE": str(path)}
