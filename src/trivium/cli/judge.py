"""`trivium judge`: how far a judge agrees with a person's labels, and what its mean is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.options import Debug, Json
from trivium.cli.screen import Screen

if TYPE_CHECKING:
    from trivium.evaluate.calibrate import Calibration
    from trivium.evaluate.judge import Judge
    from trivium.evaluate.labels import LabelledAnswer
    from trivium.types import Score

_SHOWN = 5
"""Bad records and reasons that are shown; the rest are counted."""


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    group = typer.Typer(
        help="Judges: chat models that score answers.", no_args_is_help=True, context_settings=app.info.context_settings
    )
    group.command(
        "calibrate", epilog="Example: trivium judge calibrate labels.jsonl --judge http://localhost:8000/v1#qwen3"
    )(calibrate)
    app.add_typer(group, name="judge")


def calibrate(
    ctx: typer.Context,
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", help='Answers, one a line: {"question", "answer", "passages": […], "label": true}.'
        ),
    ],
    judge: Annotated[
        str,
        typer.Option(
            "--judge",
            metavar="MODEL",
            help='The judge: a chat model. Default: the scores under "judge", else the metric that needs no model.',
        ),
    ] = "",
    metric: Annotated[str, typer.Option("--metric", metavar="NAME", help="What is judged.")] = "faithfulness",
    threshold: Annotated[
        float, typer.Option("--threshold", min=0.0, max=1.0, help="From which score an answer counts as good.")
    ] = 0.5,
    parallel: Annotated[int, typer.Option("--parallel", metavar="N", min=1, help="Answers judged at once.")] = 4,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Compare a judge with your labels, and correct its mean by what it gets wrong.

    Answers without a label take part in the corrected mean. Verdicts are kept: asking again costs nothing.
    """
    from trivium.evaluate.calibrate import calibrate as compare
    from trivium.evaluate.labels import read_labels

    screen: Screen = ctx.obj
    rows, problems = read_labels(labels)
    for problem in problems[:_SHOWN]:
        screen.say(f"{problem.where} {problem.what}", style="yellow")
    if len(problems) > _SHOWN:
        screen.say(f"and {len(problems) - _SHOWN:,} more", style="yellow")
    name, scores, judging = _scores(screen, rows, judge, metric, parallel)
    found = compare(
        [row.label for row in rows],
        scores,
        lengths=[len(row.answer.text) for row in rows],
        threshold=threshold,
    )
    if screen.as_json:
        screen.emit(_object(found, name, metric, len(problems), judging))
    else:
        _show(screen, found, name, metric, judging)
    return 0


def _scores(
    screen: Screen, rows: list[LabelledAnswer], judge: str, metric: str, parallel: int
) -> tuple[str, list[float | None], Judge | None]:
    """Return who scored, the scores, and the judge where one was asked."""
    from trivium.evaluate.labels import scores_by_judge, scores_without_model

    if not judge:
        given = [row.judge for row in rows]
        if any(one is not None for one in given):
            return "the file's scores", given, None
        return f"{metric} without a model", scores_without_model(rows, metric), None
    from trivium.errors import UnknownName
    from trivium.evaluate.grounding.judged import JUDGED
    from trivium.evaluate.judge import Judge
    from trivium.models.cache import CallCache, cached_chat
    from trivium.models.chat import open_chat
    from trivium.models.home import home

    if metric not in JUDGED:  # before a model is loaded
        raise UnknownName("judged metric", metric, JUDGED)
    asked = Judge(cached_chat(open_chat(judge, parallel=parallel), CallCache(home() / "verdicts.sqlite")))
    with _counting(screen) as show:
        return asked.name, scores_by_judge(rows, asked, metric, parallel=parallel, progress=show), asked


@contextmanager
def _counting(screen: Screen) -> Iterator[Callable[[int, int], None]]:
    """Show how many answers are judged: a bar at a terminal, a line for each tenth elsewhere."""
    if not screen.err.is_interactive:
        tenth = [0]

        def line(done: int, total: int) -> None:
            if 10 * done // total > tenth[0]:
                tenth[0] = 10 * done // total
                screen.say(f"{done:,} of {total:,} answers judged")

        yield line
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("Judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=screen.err, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


_FIGURES = {
    "kappa": "Cohen's kappa",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "good answers called good",
    "specificity": "bad answers called bad",
    "auc": "AUC",
    "length_bias": "length bias",
    "labels_alone": "mean label, labelled answers alone",
    "judge_alone": "mean score of the judge, all answers",
    "corrected": "mean label of all answers, corrected",
}


def _object(found: Calibration, name: str, metric: str, problems: int, judging: Judge | None) -> dict[str, object]:
    figures = {key: _numbers(getattr(found, key)) for key in _FIGURES}
    return {
        "judge": name,
        "metric": metric,
        "labelled": found.labelled,
        "unlabelled": found.unlabelled,
        "unreadable": problems,
        "without_verdict": found.failures,
        "judge_failures": judging.failures if judging else 0,
        "reasons": dict(judging.reasons.most_common(_SHOWN)) if judging else {},
        "power": found.power,
        **figures,
    }


def _numbers(score: Score) -> dict[str, float | int | None]:
    """Return a score as JSON has it: what cannot be said is null, not NaN."""
    bounds = {"mean": score.mean, "low": score.low, "high": score.high}
    return {key: value if math.isfinite(value) else None for key, value in bounds.items()} | {"n": score.n}


def _show(screen: Screen, found: Calibration, name: str, metric: str, judging: Judge | None) -> None:
    from rich.table import Table

    from trivium.evaluate.calibrate import FEWEST

    screen.out.print(
        f"{name}, {metric}: {found.labelled:,} answers with a label, {found.unlabelled:,} without, "
        f"{found.failures:,} without a verdict.",
        soft_wrap=True,
    )
    if judging is not None and judging.failures:
        screen.out.print(f"The judge failed {judging.failures:,} times, which count in no figure:")
        for reason, count in judging.reasons.most_common(_SHOWN):
            screen.out.print(f"  {count:,} x {reason}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "value", "95% interval", "answers"):
        table.add_column(heading, justify="left" if not heading else "right")
    for key, title in _FIGURES.items():
        score: Score = getattr(found, key)
        if math.isfinite(score.mean):
            table.add_row(title, f"{score.mean:.3f}", f"{score.low:.3f} to {score.high:.3f}", f"{score.n:,}")
        else:
            table.add_row(title, "cannot be said", "", f"{score.n:,}")
    screen.out.print(table)
    if found.labelled < FEWEST:
        screen.say(f"{found.labelled} labels say little; {FEWEST} are a beginning, 150 are good.", style="yellow")
