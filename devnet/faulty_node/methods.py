"""The JSON-RPC methods that an indexer needs, answered truly from a view of the model."""

from collections.abc import Callable, Sequence
from typing import Any

from contracts.artifact import load_artifact
from contracts.order_vault_factory import runtime_code
from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.model import model_feed
from devnet.faulty_node.view import RpcRefusal, View
from ledger.json_hex import to_hex
from ledger.keccak import keccak256

INVALID_PARAMS = -32602
UNKNOWN_BLOCK = -32001
METHOD_NOT_FOUND = -32601

# Any bytes will do: the indexer asks only whether the token has code.
_TOKEN_CODE = bytes.fromhex("600080fd")
_TOTAL_SUPPLY = keccak256(b"totalSupply()")[:4]
_BALANCE_OF = keccak256(b"balanceOf(address)")[:4]
_UINT256 = 2**256
_CONTRACTS_FROM = 1
_HASH_CHARACTERS = 66


def honest_answer(view: View, method: str, params: Sequence[Any]) -> Any:
    """The result of one call.

    Raises:
        RpcRefusal: the method or the params are not known, or the view has to refuse.
    """
    answer = _METHODS.get(method)
    if answer is None:
        raise RpcRefusal(METHOD_NOT_FOUND, f"the method {method} does not exist")
    try:
        return answer(view, *params)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RpcRefusal(INVALID_PARAMS, f"invalid params: {error}") from error


def _block_number(view: View) -> str:
    return hex(view.head.number)


def _chain_id(view: View) -> str:
    return hex(view.model.deployment.chain_id)


def _version(view: View) -> str:
    return str(view.model.deployment.chain_id)


def _syncing(view: View) -> Any:
    if not view.is_syncing:
        return False
    current, highest = hex(view.head.number), hex(view.model.head.number)
    return {"startingBlock": "0x0", "currentBlock": current, "highestBlock": highest}


def _block_by_hash(view: View, block_hash: str, full: bool = False) -> Any:  # noqa: FBT001, FBT002 - JSON
    return _block_json(view.by_hash(_bytes(block_hash)), full=full)


def _block_by_number(view: View, number: str, full: bool = False) -> Any:  # noqa: FBT001, FBT002 - JSON
    return _block_json(_find(view, number), full=full)


def _block_json(block: ModelBlock | None, *, full: bool) -> Any:
    if block is None or full:
        return None if block is None else block.block_json
    return block.block_json | {"transactions": [to_hex(draft.hash) for draft in block.drafts]}


def _receipts(view: View, which: Any) -> Any:
    if view.takes_no_hash and len(which) == _HASH_CHARACTERS:
        return None
    block = _named(view, which)
    if block is None:
        return [] if view.lacks_as_empty else None
    return block.receipts_json


def _logs(view: View, wanted: dict[str, Any]) -> Any:
    logs: list[Any] = []
    for block in _blocks_asked_for(view, wanted):
        for receipt in block.receipts_json:
            logs += [log for log in receipt["logs"] if _matches(log, wanted)]
    return logs


def _blocks_asked_for(view: View, wanted: dict[str, Any]) -> list[ModelBlock]:
    if "blockHash" in wanted:
        block = view.by_hash(_bytes(wanted["blockHash"]))
        if block is None and not view.lacks_as_empty:
            raise RpcRefusal(UNKNOWN_BLOCK, "unknown block")
        return [] if block is None else [block]
    first = _number(view, wanted.get("fromBlock", "latest"))
    last = min(_number(view, wanted.get("toBlock", "latest")), view.head.number)
    return [block for number in range(first, last + 1) if (block := view.at(number)) is not None]


def _matches(log: dict[str, Any], wanted: dict[str, Any]) -> bool:
    addresses = wanted.get("address")
    if addresses is not None:
        listed = [addresses] if isinstance(addresses, str) else addresses
        if log["address"] not in [address.lower() for address in listed]:
            return False
    topics = wanted.get("topics") or []
    if len(topics) > len(log["topics"]):
        return False
    return all(
        asked is None or found in ([asked] if isinstance(asked, str) else asked)
        for asked, found in zip(topics, log["topics"], strict=False)
    )


def _code(view: View, address: str, number: str = "latest") -> str:
    deployment = view.model.deployment
    if _number(view, number) < _CONTRACTS_FROM:
        return "0x"
    if _bytes(address) == deployment.token:
        return to_hex(_TOKEN_CODE)
    if _bytes(address) == deployment.vault_factory:
        return to_hex(runtime_code(implementation=deployment.vault_implementation))
    if _bytes(address) == model_feed():
        return to_hex(load_artifact("milk_price_feed").runtime)
    return "0x"


def _call(view: View, request: dict[str, Any], which: Any = "latest") -> str:
    """`totalSupply()` and `balanceOf(address)` of the token, counted from its transfers."""
    data = _bytes(request.get("data") or request["input"])
    if _bytes(request["to"]) != view.model.deployment.token:
        return "0x"
    head = _named(view, which)
    if head is None:
        raise RpcRefusal(UNKNOWN_BLOCK, "header not found")
    if data[:4] == _TOTAL_SUPPLY:
        units = -_balance(view, bytes(20), head)
    elif data[:4] == _BALANCE_OF:
        units = _balance(view, data[16:36], head)
    else:
        raise RpcRefusal(3, "execution reverted")
    return to_hex((units % _UINT256).to_bytes(32, "big"))


def _balance(view: View, account: bytes, head: ModelBlock) -> int:
    units, block = 0, head
    while True:
        for transfer in block.transfers():
            movement = transfer.movement
            units += movement.amount * (movement.recipient == account)
            units -= movement.amount * (movement.sender == account)
        if block.number == 0:
            return units
        block = view.own_blocks.get(block.parent_hash) or view.model.blocks[block.parent_hash]


def _named(view: View, which: Any) -> ModelBlock | None:
    """A block by hash, number, tag or EIP-1898 object."""
    named: str = which["blockHash"] if isinstance(which, dict) else which
    return view.by_hash(_bytes(named)) if len(named) == _HASH_CHARACTERS else _find(view, named)


def _find(view: View, number: str) -> ModelBlock | None:
    tags = {"latest": view.head, "pending": view.head}
    tags |= {"safe": view.safe, "finalized": view.finalized}
    return tags[number] if number in tags else view.at(_number(view, number))


def _number(view: View, number: str) -> int:
    if number == "earliest":
        return 0
    if number.startswith("0x"):
        return int(number, 16)
    found = _find(view, number) if number in {"latest", "pending", "safe", "finalized"} else None
    if found is None:
        raise ValueError(f"no such block: {number}")
    return found.number


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


_METHODS: dict[str, Callable[..., Any]] = {
    "eth_blockNumber": _block_number,
    "eth_call": _call,
    "eth_chainId": _chain_id,
    "eth_getBlockByHash": _block_by_hash,
    "eth_getBlockByNumber": _block_by_number,
    "eth_getBlockReceipts": _receipts,
    "eth_getCode": _code,
    "eth_getLogs": _logs,
    "eth_syncing": _syncing,
    "net_version": _version,
}
