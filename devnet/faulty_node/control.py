"""The methods with which a person or a test steers the node: faults, blocks, reorganisations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devnet.faulty_node.drafts import Draft
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.view import RpcRefusal
from ledger.errors import RejectedError
from ledger.json_hex import to_hex

PREFIX = "faulty_"
_INVALID_PARAMS = -32602
_METHOD_NOT_FOUND = -32601
_MAX_BLOCKS = 10_000


def steer(node: FaultyNode, method: str, params: Sequence[Any]) -> Any:
    """Do what a `faulty_*` call asks for; no fault ever strikes it.

    Raises:
        RpcRefusal: the method does not exist or the params are refused.
    """
    action = _ACTIONS.get(method)
    if action is None:
        raise RpcRefusal(_METHOD_NOT_FOUND, f"the method {method} does not exist")
    try:
        return action(node, *params)
    except RejectedError as error:
        raise RpcRefusal(_INVALID_PARAMS, f"{error.code}: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RpcRefusal(_INVALID_PARAMS, f"invalid params: {error}") from error


def _set(node: FaultyNode, name: str, options: Mapping[str, Any] | None = None) -> Any:
    node.faults.turn_on(name, **dict(options or {}))
    return _status(node)


def _clear(node: FaultyNode, name: str | None = None) -> Any:
    if name is None:
        node.faults.clear()
    else:
        node.faults.turn_off(name)
    return _status(node)


def _status(node: FaultyNode) -> dict[str, Any]:
    model = node.model
    return {
        "head": {"number": model.head.number, "hash": to_hex(model.head.hash)},
        "safe": model.safe.number,
        "finalized": model.finalized.number,
        "faults": list(node.faults.names()),
        "injected": dict(node.faults.injected),
        "subscribed": node.announcements.subscribed,
    }


def _mine(
    node: FaultyNode, count: int = 1, payments: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """Make blocks; `payments` ({"to": address, "units": decimal}) go into the first one."""
    _check_count(count)
    drafts = _drafts(node, payments)
    for _ in range(count):
        node.model.mine(drafts)
        drafts = []
    return _status(node)


def _reorg(
    node: FaultyNode,
    depth: int,
    length: int | None = None,
    keep: bool = False,  # noqa: FBT001, FBT002 - JSON
) -> dict[str, Any]:
    """Replace the newest `depth` blocks by `length`, one more by default, or `keep` contents."""
    model = node.model
    blocks = depth + 1 if length is None else length
    _check_count(blocks)
    contents: list[Sequence[Draft]] = [()] * blocks
    if keep:
        doomed = [model.at(model.head.number - back) for back in range(depth - 1, -1, -1)]
        for index, block in enumerate(doomed[:blocks]):
            contents[index] = () if block is None else block.drafts
    model.reorg(depth, contents)
    return _status(node)


def _declare(node: FaultyNode, safe: int, finalized: int) -> dict[str, Any]:
    node.model.declare(safe=safe, finalized=finalized)
    return _status(node)


def _drafts(node: FaultyNode, payments: Sequence[Mapping[str, str]]) -> list[Draft]:
    return [
        node.model.pay(bytes.fromhex(item["to"].removeprefix("0x")), int(item["units"]))
        for item in payments
    ]


def _check_count(count: int) -> None:
    if not 1 <= count <= _MAX_BLOCKS:
        raise RejectedError("count_invalid", f"from 1 to {_MAX_BLOCKS} blocks at a time")


_ACTIONS: dict[str, Callable[..., Any]] = {
    "faulty_set": _set,
    "faulty_clear": _clear,
    "faulty_status": _status,
    "faulty_mine": _mine,
    "faulty_reorg": _reorg,
    "faulty_declare": _declare,
}
