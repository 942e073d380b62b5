from __future__ import annotations

import io
from functools import cached_property

from rich.console import Console

from trivium.cli import progress
from trivium.cli.screen import Screen
from trivium.index.tally import Progress


class Watched(Screen):
    terminal = True

    @cached_property
    def err(self) -> Console:
        return Console(file=io.StringIO(), force_terminal=self.terminal, width=120, markup=False)

    @property
    def written(self) -> str:
        return self.err.file.getvalue()  # type: ignore[attr-defined,no-any-return]


class Logged(Watched):
    terminal = False


def test_a_bar_on_a_terminal() -> None:
    screen = Watched()
    with progress.adding(screen) as show:
        show(Progress(1, 4, 1200, 0, "/x/[bold]手册.pdf"))
    assert "1/4" in screen.written
    assert "1,200 chunks" in screen.written
    assert "[bold]手册.pdf" in screen.written


def test_lines_in_a_log_are_few(monkeypatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    screen = Logged()
    with progress.adding(screen) as show:
        for second in range(12):
            clock[0] = float(second)
            show(Progress(second, 20, 10 * second, 1, "a"))
    lines = screen.written.splitlines()
    assert lines == [
        "5 of 20 files, 50 chunks, 10 chunks/s, 1 failed, 0:00:15 left",
        "10 of 20 files, 100 chunks, 10 chunks/s, 1 failed, 0:00:10 left",
    ]


def test_fetching_is_silent_until_something_is_fetched() -> None:
    for screen in (Watched(), Logged()):
        with progress.fetching(screen) as show:
            pass
        assert screen.written == ""
        with progress.fetching(screen) as show:
            show("smollm2", 40_000_000, 98_000_000)
            show("smollm2", 98_000_000, 98_000_000)
        assert "smollm2" in screen.written
