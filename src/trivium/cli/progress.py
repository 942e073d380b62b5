"""Progress: a bar where someone watches, plain lines where a log is kept. All on standard error."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trivium.cli.screen import Screen

if TYPE_CHECKING:
    from trivium.index.tally import Progress
    from trivium.tune.loop import Progress as Step

_LINE_SECONDS = 5.0
"""Without a terminal, one line at most this often."""


@contextmanager
def adding(screen: Screen) -> Iterator[Callable[[Progress], None]]:
    """Show how adding documents goes; yields what `KnowledgeBase.add` calls."""
    if not screen.err.is_interactive:
        yield _AddLines(screen)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("Adding"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files  {task.fields[chunks]:,} chunks  {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("[dim]{task.fields[current]}", markup=True),
    )
    started = time.monotonic()
    with Bar(*columns, console=screen.err, transient=True) as bar:
        task = bar.add_task("", total=None, chunks=0, rate=0.0, left="", current="")

        def show(progress: Progress) -> None:
            passed = max(time.monotonic() - started, 1e-6)
            bar.update(
                task,
                total=progress.files_total,
                completed=progress.files_done,
                chunks=progress.chunks,
                rate=progress.chunks / passed,
                left=_left(progress, passed),
                current=_short(progress.current),
            )

        yield show


def _left(progress: Progress, passed: float) -> str:
    """Return the time left at the average pace so far: files are finished in bursts, a commit at a time."""
    done, total = progress.files_done, progress.files_total
    if not done or done >= total:
        return ""
    seconds = round(passed / done * (total - done))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"


def _short(source: str) -> str:
    """Return the last part of a source, as plain text within a progress column."""
    from rich.markup import escape

    name = source.rstrip("/\\").rsplit("/", 1)[-1]
    return escape(name if len(name) <= 30 else "…" + name[-29:])


class _AddLines:
    """A line every few seconds: files, chunks, rate, time left."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._started = self._said = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._said < _LINE_SECONDS:
            return
        self._said = now
        passed = now - self._started
        left = _left(progress, passed)
        failed = f", {progress.failed} failed" if progress.failed else ""
        self._screen.say(
            f"{progress.files_done:,} of {progress.files_total:,} files, {progress.chunks:,} chunks, "
            f"{progress.chunks / passed:.0f} chunks/s{failed}{', ' if left else ''}{left}"
        )


@contextmanager
def fetching(screen: Screen) -> Iterator[Callable[[str, int, int], None]]:
    """Show how fetching models goes; yields what `pull` and `ensure` call with (name, bytes so far, bytes in all).

    Nothing is shown until something is fetched.
    """
    if not screen.err.is_interactive:
        yield _FetchLines(screen)
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("Fetching {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Bar(*columns, console=screen.err)
    tasks: dict[str, int] = {}

    def show(name: str, done: int, total: int) -> None:
        if not tasks:
            bar.start()
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=total)
        bar.update(tasks[name], completed=done, total=total)  # type: ignore[arg-type]

    try:
        yield show
    finally:
        if tasks:
            bar.stop()


class _FetchLines:
    """A line for each fifth of a model."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._fifth: dict[str, int] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        fifth = 5 * done // total if total else 0
        if fifth != self._fifth.get(name):
            self._fifth[name] = fifth
            self._screen.say(f"Fetching {name}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")


def fetch_defaults(screen: Screen, roles: Sequence[str]) -> None:
    """Fetch the embedded models of these roles unless they are here.

    Raises:
        ModelNotFound: one is not here and cannot be fetched.
    """
    from trivium.models.catalogue import catalogue
    from trivium.models.pull import ensure

    with fetching(screen) as show:
        for model in catalogue().values():
            if model.role in roles:
                ensure(model.name, progress=show)


@contextmanager
def stages(screen: Screen) -> Iterator[Callable[[str, int, int], None]]:
    """Show how the stages of a long job go; yields what is called with (what, done, of how many).

    A stage that is done leaves the screen to whatever shows itself next.
    """
    if not screen.err.is_interactive:
        yield _StageLines(screen)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Bar(*columns, console=screen.err, transient=True)
    tasks: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            for old in tasks.values():
                bar.update(old, visible=False)
            tasks[what] = bar.add_task(what, total=total)
        if not bar.live.is_started:
            bar.start()
        bar.update(tasks[what], completed=done, total=total)
        if done >= total:
            bar.remove_task(tasks.pop(what))
            bar.stop()

    try:
        yield show
    finally:
        bar.stop()


class _StageLines:
    """A line every few seconds, and one where a stage is done."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        if done >= total or time.monotonic() - self._said >= _LINE_SECONDS:
            self._said = time.monotonic()
            self._screen.say(f"{what}: {done:,} of {total:,}")


@contextmanager
def training(screen: Screen) -> Iterator[tuple[Callable[[Step], None], Callable[[], bool]]]:
    """Yield what shows the progress, and what tells whether to stop: the first Ctrl-C ends after the step."""
    asked: list[bool] = []

    def interrupt(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)
        screen.say("Stopping after this step; once more to stop at once.")

    old = signal.signal(signal.SIGINT, interrupt)
    said = [0.0]
    bar: Any = None
    if screen.err.is_interactive:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        words = TextColumn(
            "steps  loss {task.fields[loss]:.3f}  rate {task.fields[rate]:.1e}  "
            "{task.fields[speed]:,.0f} tokens/s  {task.fields[left]} left"
        )
        bar = Bar(TextColumn("Training"), BarColumn(), MofNCompleteColumn(), words, console=screen.err, transient=True)
        task = bar.add_task("", total=None, loss=0.0, rate=0.0, speed=0.0, left="", start=True)

    def show(at: Step) -> None:
        left = f"{int(at.left) // 3600}:{int(at.left) // 60 % 60:02}:{int(at.left) % 60:02}"
        if bar is not None:
            if not bar.live.is_started:
                bar.start()
            bar.update(task, total=at.steps, completed=at.step, loss=at.loss, rate=at.rate, speed=at.tokens, left=left)
        elif time.monotonic() - said[0] > _LINE_SECONDS or at.step == at.steps:
            said[0] = time.monotonic()
            screen.say(
                f"step {at.step}/{at.steps}  loss {at.loss:.3f}  rate {at.rate:.1e}  {at.tokens:,.0f} tokens/s  "
                f"{left} left"
            )

    try:
        yield show, lambda: bool(asked)
    finally:
        if bar is not None:
            bar.stop()
        signal.signal(signal.SIGINT, old)
