"""What a newHeads subscription says of a new head, and what it says instead."""

from collections.abc import Callable
from typing import Any, TypeAlias

from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.catalogue import Place
from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.switches import FaultSwitches, Strike
from ledger.json_hex import to_hex

NEW_HEADS = "newHeads"

_Change: TypeAlias = Callable[[ChainModel, Strike, ModelBlock, list[Any]], list[Any]]


class Announcements:
    """The notifications of one node's subscriptions.

    Attributes:
        subscribed: How often anybody has subscribed, which tells who comes back.
    """

    def __init__(self, model: ChainModel, faults: FaultSwitches) -> None:
        self._model = model
        self._faults = faults
        self.subscribed = 0

    def of(self, head: ModelBlock) -> list[Any]:
        """The headers to announce for one new head, in order; some may be no headers at all."""
        told: list[Any] = [head.header_json]
        for switch in self._faults.switched(Place.HEADS):
            strike = self._faults.draw(switch, NEW_HEADS, to_hex(head.hash))
            if strike is not None:
                self._faults.counted(strike)
                told = _CHANGES[switch.fault.name](self._model, strike, head, told)
        for switch in self._faults.switched(Place.VIEW):
            if switch.fault.name.startswith("lagging"):
                behind = self._model.at(max(head.number - switch.amount, 0))
                told = [] if behind is None else [behind.header_json]
        return told


def _silent(_model: ChainModel, _strike: Strike, _head: ModelBlock, _told: list[Any]) -> list[Any]:
    return []


def _twice(_model: ChainModel, _strike: Strike, _head: ModelBlock, told: list[Any]) -> list[Any]:
    return told + told


def _lower(model: ChainModel, strike: Strike, head: ModelBlock, told: list[Any]) -> list[Any]:
    lower = head
    for _ in range(min(strike.amount, head.number)):
        lower = model.blocks[lower.parent_hash]
    return [*told, lower.header_json]


def _sibling(model: ChainModel, _strike: Strike, head: ModelBlock, _told: list[Any]) -> list[Any]:
    parent = model.blocks[head.parent_hash]
    return [model.build(on=parent).header_json]


def _malformed(_model: ChainModel, strike: Strike, _head: ModelBlock, told: list[Any]) -> list[Any]:
    choices: tuple[Any, ...] = (None, [], {"number": "0x1"}, {"number": "seven", "hash": "0x"}, "{")
    return [strike.random.choice(choices), *told]


_CHANGES: dict[str, _Change] = {
    "subscription_silent": _silent,
    "heads_skipped": _silent,
    "head_twice": _twice,
    "lower_head": _lower,
    "socket_on_another_branch": _sibling,
    "malformed_head": _malformed,
}
