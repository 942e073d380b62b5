"""How a comparison is shown: on the terminal, as JSON, as one HTML page (`page.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.advise.rank import mean
from trivium.advise.table import arms_table, pairs_table, points_table, ten_table
from trivium.advise.values import Advice, ArmResult, Comparison, Decision
from trivium.advise.words import points
from trivium.types import Score

if TYPE_CHECKING:
    from rich.console import Console

_STEPS_SHOWN = 5


def report_json(comparison: Comparison, decision: Decision) -> dict[str, object]:
    """Return a comparison as `--json` prints it. An arm that failed has its `error` beside empty figures."""
    return {
        "run": comparison.run,
        "arms": [_arm(comparison, arm) for arm in comparison.arms],
        "pairs": [
            {"a": pair.a, "b": pair.b, "metric": pair.metric, "difference": _number(pair.difference.mean),
             "low": _number(pair.difference.low), "high": _number(pair.difference.high), "verdict": pair.verdict}
            for pair in decision.pairs
        ],
        "advice": [_advice(advice) for advice in decision.advice],
    }  # fmt: skip


def decision_json(comparison: Comparison, decision: Decision) -> dict[str, object]:
    """Return everything that was decided, for `trivium advise --json`: what `report_json` has, and the rest."""
    told = report_json(comparison, decision)
    told["take"], told["because"] = decision.take, decision.because
    told["ranking"] = [{"place": one.place, "arm": one.arm, **_score(one.score)} for one in decision.ranking]
    told["fronts"] = {"cost": list(decision.cheapest), "seconds": list(decision.fastest)}
    told["unmet"] = {name: list(needs) for name, needs in decision.unmet.items()}
    told["advice"] = [
        {**_advice(one), "kind": one.kind, "arm": one.arm, "at_most": one.at_most, "command": one.command,
         "measured_by": one.measured_by, "unless": one.unless}
        for one in decision.advice
    ]  # fmt: skip
    told["ten"] = [
        {
            "topic": one.topic,
            "asked": one.asked,
            "said": one.said,
            "measured": one.measured,
            "speaks_for": one.speaks_for,
        }
        for one in decision.ten
    ]
    told["mind"] = list(decision.mind)
    return told


def _arm(comparison: Comparison, arm: ArmResult) -> dict[str, object]:
    scores = {name: mean(comparison, arm, name) for name in arm.values}
    return {
        "name": arm.name,
        "metrics": {name: _score(score) for name, score in scores.items() if score.n},
        "failure_points": arm.failure_points,
        "tokens": arm.tokens,
        "seconds": {"p50": arm.seconds.p50, "p95": arm.seconds.p95, "total": arm.seconds.total},
        "train_seconds": arm.train_seconds,
        "cost": arm.cost,
        **({"error": arm.error} if arm.error else {}),
    }


def _advice(advice: Advice) -> dict[str, object]:
    gain = advice.expected_gain
    return {"step": advice.step, "because": advice.because, "expected_gain": _score(gain) if gain else None}


def _score(score: Score) -> dict[str, float | None]:
    return {"mean": _number(score.mean), "low": _number(score.low), "high": _number(score.high)}


def _number(value: float) -> float | None:
    """Return what JSON can hold: it has no NaN."""
    return value if math.isfinite(value) else None


def show(comparison: Comparison, decision: Decision, out: Console) -> None:
    """Print the table of the arms, why answers were wrong, which arm to take, and what to do next."""
    out.print(arms_table(comparison, decision))
    if (table := points_table(comparison)) is not None:
        out.print()
        out.print(table)
    out.print()
    _say(out, f"Take {decision.take}." if decision.take else "No arm meets the needs.", decision.because)
    for name, error in decision.failed.items():
        _say(out, f"Failed: {name}:", error)
    if decision.advice:
        out.print()
        _steps(out, decision.advice[:_STEPS_SHOWN])


def show_advice(comparison: Comparison, decision: Decision, out: Console) -> None:
    """Print the whole decision: which arm, the differences, every step, the ten questions, what would change it."""
    _say(out, f"Take {decision.take}." if decision.take else "No arm meets the needs.", decision.because)
    if decision.take:
        for name, needs in decision.unmet.items():
            _say(out, f"Not {name}:", "; ".join(needs) + ".")
    for title, table in (
        ("", pairs_table(decision)),
        ("Whether tuning is worth it", ten_table(decision)),
    ):
        out.print()
        if title:
            _say(out, title)
        out.print(table)
    if decision.advice:
        out.print()
        _say(out, "What to do next")
        _steps(out, decision.advice)
    if decision.mind:
        out.print()
        _say(out, "What would change this")
        for line in decision.mind:
            _say(out, "", f"- {line}")


def _steps(out: Console, steps: Sequence[Advice]) -> None:
    for number, advice in enumerate(steps, start=1):
        _say(out, f"{number}. {advice.step}")
        _say(out, "", f"   {advice.because}")
        if advice.expected_gain is not None:
            _say(out, "", f"   Expected: {points(advice.expected_gain)}.")
        _say(out, "", f"   Measured by: {advice.measured_by}.")
        if advice.command:
            _say(out, "", f"   {advice.command}")


def _say(out: Console, title: str, words: str = "") -> None:
    """Print words as they are: what stands in brackets is text, not a style."""
    from rich.text import Text

    out.print(Text.assemble((title, "bold"), " " if title and words else "", words), soft_wrap=True)
