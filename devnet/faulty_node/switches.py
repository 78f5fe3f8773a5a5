"""Which faults are on, and whether one strikes: the question decides, not the order of asking."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

from devnet.faulty_node.catalogue import BY_NAME, Fault, Place
from ledger.errors import RejectedError

_DRAW_BITS = 64


@dataclass(slots=True)
class Switch:
    """A fault that is on; `times` is how often it may still strike, None for ever."""

    fault: Fault
    probability: float
    times: int | None
    methods: tuple[str, ...]
    amount: int


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that struck, with its own source of arbitrary choices."""

    fault: Fault
    amount: int
    random: Random


class FaultSwitches:
    """The faults of one node.

    A draw is a hash of the seed, the stage, the question and how often it was asked in this
    stage, so that concurrent requests get the same answers in whatever order they arrive.
    """

    def __init__(self, seed: int | str = 0) -> None:
        self._seed = seed
        self._stage = 0
        self._asked: Counter[str] = Counter()
        self._on: dict[str, Switch] = {}
        self.injected: Counter[str] = Counter()

    def turn_on(
        self,
        name: str,
        *,
        probability: float = 1.0,
        times: int | None = None,
        methods: Iterable[str] | None = None,
        amount: int | None = None,
    ) -> None:
        """Switch a fault on, or on anew with other numbers.

        Raises:
            RejectedError: `fault_unknown`, `probability_invalid` or `count_invalid`.
        """
        fault = BY_NAME.get(name)
        if fault is None:
            raise RejectedError("fault_unknown", f"there is no fault {name!r}", param="name")
        if not 0.0 <= probability <= 1.0:
            raise RejectedError(
                "probability_invalid", "a probability is from 0 to 1", param="probability"
            )
        if (times is not None and times < 1) or (amount is not None and amount < 0):
            raise RejectedError("count_invalid", "times and amount are positive", param="times")
        self._on[name] = Switch(
            fault,
            probability,
            times,
            fault.methods if methods is None else tuple(methods),
            fault.amount if amount is None else amount,
        )

    def turn_off(self, name: str) -> None:
        """Switch a fault off; one that is not on is no error."""
        self._on.pop(name, None)

    def clear(self) -> None:
        """Switch everything off."""
        self._on.clear()

    def begin_stage(self, stage: int) -> None:
        """Forget how often things were asked, so that one stage's timing touches no later one."""
        self._stage = stage
        self._asked.clear()

    def names(self) -> tuple[str, ...]:
        """The faults that are on."""
        return tuple(self._on)

    def switched(self, place: Place) -> list[Switch]:
        """The faults of a place that are on, in the order in which they were switched on."""
        return [switch for switch in self._on.values() if switch.fault.place is place]

    def draw(self, switch: Switch, method: str, question: str) -> Strike | None:
        """Whether a fault strikes this question now; a strike counts only once it is `counted`."""
        if switch.methods and method not in switch.methods:
            return None
        key = f"{switch.fault.name}|{method}|{question}"
        self._asked[key] += 1
        text = f"{self._seed}|{self._stage}|{key}|{self._asked[key]}"
        number = int.from_bytes(blake2b(text.encode(), digest_size=_DRAW_BITS // 8).digest(), "big")
        if number >= switch.probability * 2**_DRAW_BITS:
            return None
        return Strike(switch.fault, switch.amount, Random(number))  # noqa: S311 - wants repeating

    def counted(self, strike: Strike) -> None:
        """Note that a strike changed something, and switch its fault off when it is used up."""
        name = strike.fault.name
        self.injected[name] += 1
        switch = self._on.get(name)
        if switch is not None and switch.times is not None:
            switch.times -= 1
            if switch.times == 0:
                del self._on[name]
