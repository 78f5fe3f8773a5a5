"""What a demo shows while it works: coloured on a terminal, plain lines anywhere else."""

from collections.abc import Callable
from time import perf_counter

from rich.console import Console
from rich.table import Table

from devnet.timeline import Timeline

_WORDS = {
    "order_created": "order created",
    "qr": "QR code drawn",
    "broadcast": "wallet broadcast",
    "block": "in a block",
    "proven": "proven by the indexer",
    "paid": "Paid on the till",
    "verdict": "oracle's verdict",
    "settled": "settled (finalized)",
}


class Progress:
    """Says what happened, with the seconds since the start."""

    def __init__(self, console: Console, clock: Callable[[], float] = perf_counter) -> None:
        self._console, self._clock, self._started = console, clock, clock()

    def step(self, text: str) -> None:
        """Tell that something has been done."""
        seconds = self._clock() - self._started
        self._line(f"[green]✓[/] {text}", f"{text}", seconds)

    def sale_step(self, name: str) -> None:
        """Tell that a step of the sale was seen."""
        self.step(_WORDS.get(name, name))

    def _line(self, rich_text: str, plain_text: str, seconds: float) -> None:
        if self._console.is_terminal:
            self._console.print(f"{rich_text} [dim]{seconds:.1f} s[/]", highlight=False)
        else:
            self._console.out(f"{seconds:6.1f} s  {plain_text}", highlight=False)

    def note(self, text: str) -> None:
        """Say something that is no step."""
        self._console.out(text, highlight=False)

    def timeline(self, timeline: Timeline) -> None:
        """Show the sale's steps, in milliseconds."""
        table = Table(box=None, pad_edge=False)
        table.add_column("step")
        table.add_column("since the order, ms", justify="right")
        table.add_column("since the broadcast, ms", justify="right")
        for step in timeline.steps():
            since = step.since_broadcast_ms
            table.add_row(
                _WORDS.get(step.name, step.name),
                f"{step.since_order_ms:,.0f}",
                "" if since is None else f"{since:,.0f}",
            )
        self._console.print(table)
