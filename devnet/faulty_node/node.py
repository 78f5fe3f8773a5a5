"""One node without its sockets: a question goes in, a true or a spoilt answer comes out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from devnet.faulty_node.announcements import Announcements
from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.catalogue import Place
from devnet.faulty_node.methods import honest_answer
from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.switches import FaultSwitches, Strike
from devnet.faulty_node.tampering import TAMPERINGS, UNCHANGED
from devnet.faulty_node.view import View, honest_view


class FaultyNode:
    """A node on a model; several may share one model and each have faults of its own."""

    def __init__(self, model: ChainModel, faults: FaultSwitches | None = None) -> None:
        self.model = model
        self.faults = faults or FaultSwitches()
        self.announcements = Announcements(model, self.faults)
        self._own_blocks: dict[bytes, ModelBlock] = {}
        self._false_heads: dict[tuple[bytes, int], ModelBlock] = {}
        self._siblings: dict[tuple[bytes, int], ModelBlock] = {}
        self._shows_sibling = False

    def answer(self, method: str, params: Sequence[Any]) -> Any:
        """The result of one call, after the faults of view and answer have struck.

        Raises:
            RpcRefusal: the answer is a JSON-RPC error.
        """
        question = orjson.dumps(params).decode()
        answer = honest_answer(self._view(method, question), method, params)
        for switch in self.faults.switched(Place.ANSWER):
            strike = self.faults.draw(switch, method, question)
            if strike is None:
                continue
            spoilt = TAMPERINGS[switch.fault.name](self.model, strike, answer)
            if spoilt is not UNCHANGED:
                self.faults.counted(strike)
                answer = spoilt
        return answer

    def wire_fault(self, method: str, params: Sequence[Any]) -> Strike | None:
        """What happens to this call's answer on its way, if anything."""
        switches = self.faults.switched(Place.WIRE)
        if not switches:
            return None
        question = orjson.dumps(params).decode()
        for switch in switches:
            strike = self.faults.draw(switch, method, question)
            if strike is not None:
                self.faults.counted(strike)
                return strike
        return None

    def _view(self, method: str, question: str) -> View:
        view = honest_view(self.model)
        if self._own_blocks:
            view = replace(view, own_blocks=self._own_blocks)
        for switch in self.faults.switched(Place.VIEW):
            strike = self.faults.draw(switch, method, question)
            if strike is None:
                continue
            seen = self._VIEWS[strike.fault.name](self, view, strike, question)
            if seen is not view:
                self.faults.counted(strike)
                view = seen
        return view

    def _behind(self, view: View, strike: Strike, _question: str) -> View:
        return view.behind(strike.amount)

    def _behind_empty(self, view: View, strike: Strike, _question: str) -> View:
        return replace(view.behind(strike.amount), lacks_as_empty=True)

    def _syncing(self, view: View, strike: Strike, _question: str) -> View:
        return replace(view.behind(strike.amount), is_syncing=True)

    def _pruned(self, view: View, strike: Strike, _question: str) -> View:
        return replace(view, pruned_below=max(view.head.number - strike.amount, 0))

    def _by_height(self, view: View, _strike: Strike, _question: str) -> View:
        return replace(view, takes_no_hash=True)

    def _overstated(self, view: View, _strike: Strike, _question: str) -> View:
        return replace(view, safe=view.head, finalized=view.head)

    def _deep_reorg(self, view: View, strike: Strike, _question: str) -> View:
        final = self.model.finalized
        fork = self.model.at(final.number - strike.amount)
        if fork is None:
            return view
        # Made anew only when finality has moved, as a node that syncs shows one chain for a while.
        key = (final.hash, strike.amount)
        head = self._false_heads.get(key)
        if head is None:
            head = fork
            while head.number <= self.model.head.number:
                head = self.model.build(on=head)
                self._own_blocks[head.hash] = self.model.lone_blocks[head.hash] = head
            self._false_heads[key] = head
        return replace(
            view, head=head, safe=fork, finalized=fork, own_blocks=self._own_blocks,
            is_syncing=strike.fault.name == "fake_deep_reorg",
        )  # fmt: skip

    def _flipping(self, view: View, strike: Strike, question: str) -> View:
        """Every other question for the newest block is answered from the other branch."""
        depth = min(strike.amount, view.head.number - self.model.finalized.number)
        fork = self.model.at(view.head.number - depth)
        if depth < 1 or fork is None:
            return view
        if question.startswith('["latest"'):
            self._shows_sibling = not self._shows_sibling
        if not self._shows_sibling:
            return view
        key = (view.head.hash, depth)
        sibling = self._siblings.get(key)
        if sibling is None:
            sibling = fork
            while sibling.number < view.head.number:
                sibling = self.model.build(on=sibling)
                self.model.blocks[sibling.hash] = sibling
            self._siblings[key] = sibling
        return replace(view, head=sibling)

    _VIEWS: dict[str, Callable[["FaultyNode", View, Strike, str], View]] = {  # noqa: RUF012 - never changed
        "lagging_node_null": _behind,
        "lagging_node_empty": _behind_empty,
        "socket_ahead_of_http": _behind,
        "syncing_node": _syncing,
        "fake_deep_reorg": _deep_reorg,
        "reorg_past_what_we_keep": _deep_reorg,
        "flipping_head": _flipping,
        "pruned_history": _pruned,
        "receipts_by_height_only": _by_height,
        "finality_overstated": _overstated,
    }
