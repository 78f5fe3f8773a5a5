"""How far a command has come: a bar for who watches, a line now and then for a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress_bar(what: str, *, console: Console | None = None) -> Iterator[tuple[Progress, TaskID]]:
    """Progress on standard error with count, rate and time remaining."""
    shown_on = console or Console(stderr=True)
    kind = Progress if shown_on.is_terminal else _Lines
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with kind(*columns, console=shown_on, transient=True) as bar:
        yield bar, bar.add_task(what, total=None, rate="")


@contextmanager
def proving_bar() -> Iterator[Callable[[int, int], None]]:
    """The same for a known number of blocks: call it with how many are done, and of how many."""
    with progress_bar("Proving blocks") as (bar, line):
        yield lambda done, total: bar.update(line, completed=done, total=total)


class _Lines(Progress):
    """Whole lines, the first at once and the last at the end, where nothing can be drawn over."""

    def __init__(self, *columns: Any, console: Console, transient: bool) -> None:
        super().__init__(*columns, console=console, transient=transient, disable=True)
        self._told_at = -SECONDS_BETWEEN_LINES

    def update(self, task_id: TaskID, **fields: Any) -> None:
        """Note how far it is, and tell it when it is time."""
        super().update(task_id, **fields)
        now = time.monotonic()
        is_done = self.tasks[task_id].finished
        if is_done or now - self._told_at >= SECONDS_BETWEEN_LINES:
            self._told_at = now
            self.console.print(self._line(task_id), soft_wrap=True, highlight=False, markup=False)

    def _line(self, task_id: TaskID) -> str:
        task = self.tasks[task_id]
        total = "" if task.total is None else f" of {int(task.total):,}"
        told = [f"{task.description}: {int(task.completed):,}{total}", task.fields["rate"]]
        if task.total is not None:
            told.append(f"{TimeRemainingColumn().render(task)} remaining")
        return ", ".join(filter(None, told))
