"""Long work tells how far it is, how fast and how long it will take, watched or in a log."""

import io

import pytest
from rich.console import Console

from indexer import progress
from indexer.progress import progress_bar


def told(*, is_terminal: bool, times: int = 4) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120)
    with progress_bar("Proving blocks", console=console) as (bar, line):
        for done in range(1, times + 1):
            bar.update(line, completed=done * 500, total=times * 500, rate="40,000 transfers/s")
            bar.refresh()
    return out.getvalue()


def test_who_watches_sees_a_bar_with_blocks_rate_and_time_remaining() -> None:
    shown = told(is_terminal=True)
    for part in ("Proving blocks", "━", "500/2000", "2000/2000", "40,000 transfers/s", "0:00:00"):
        assert part in shown
    assert "\x1b[" in shown  # drawn over and over in its place


def test_a_log_gets_whole_lines_with_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    lines = told(is_terminal=False).splitlines()
    assert lines[0] == "Proving blocks: 500 of 2,000, 40,000 transfers/s, -:--:-- remaining"
    assert lines[-1] == "Proving blocks: 2,000 of 2,000, 40,000 transfers/s, 0:00:00 remaining"
    assert len(lines) == 4


def test_a_log_is_not_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 3600.0)
    lines = told(is_terminal=False, times=100).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("Proving blocks: 500 of 50,000, ")
    assert lines[1].startswith("Proving blocks: 50,000 of 50,000, ")


def test_work_of_unknown_length_tells_only_what_is_done() -> None:
    out = io.StringIO()
    with progress_bar("Writing rows", console=Console(file=out)) as (bar, line):
        bar.update(line, completed=7, rate="blocks")
    assert out.getvalue() == "Writing rows: 7, blocks\n"
