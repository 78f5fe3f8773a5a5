"""A figure as `make bench` prints it: one JSON object a line."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value beside its floor, which was measured in the same run.

    `value` and `floor` are numbers, or percentiles by name; `ratio` is value over floor, of the
    99th percentile where there are several.
    """

    name: str
    value: float | dict[str, float]
    unit: str
    floor: float | dict[str, float]

    @property
    def ratio(self) -> float:
        """How many times the floor."""
        return round(_decisive(self.value) / max(_decisive(self.floor), 1e-9), 3)

    def print(self) -> None:
        """Write the figure to standard output."""
        line = {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "floor": self.floor,
            "ratio": self.ratio,
        }
        sys.stdout.write(orjson.dumps(line).decode() + "\n")
        sys.stdout.flush()


def percentiles(samples_seconds: Sequence[float]) -> dict[str, float]:
    """The 50th, 95th and 99th percentile in milliseconds, by the nearest rank."""
    ranked = sorted(samples_seconds)
    return {
        f"p{percent}": round(ranked[min(len(ranked) - 1, len(ranked) * percent // 100)] * 1000, 3)
        for percent in _PERCENTILES
    }


def say(message: str) -> None:
    """Tell on standard error what is going on; figures alone go to standard output."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def _decisive(value: float | dict[str, float]) -> float:
    return value["p99"] if isinstance(value, dict) else value
