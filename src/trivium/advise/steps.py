"""Every next step that can be advised, by name, and the order in which they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from trivium.advise.case import UNKNOWN_K, Case
from trivium.advise.mend import MENDING
from trivium.advise.rank import MATTERS, answered, class_gains, gain, pair_of, quality
from trivium.advise.values import Advice, ArmResult
from trivium.advise.words import count, listed, points, seconds

UNSEEN = ("unanswerable", "answerable")
"""Classes that nobody can tell when a question is asked."""


def route(case: Case) -> list[Advice]:
    """Classes of questions on which passages hurt: they are left to the model's memory."""
    alone = [arm for arm in answered(case.comparison) if not arm.retrieves]
    if not case.arm.retrieves or not alone:
        return []
    other = max(alone, key=lambda arm: quality(case.comparison, arm))
    found = []
    for row in class_gains(case.comparison, other, case.arm):
        if row.name in UNSEEN or not row.shown or row.difference.mean <= 0:
            continue
        of_class = count(row.difference.n, f"{case.comparison.split} question")
        there = np.array([row.name in question.classes for question in case.comparison.questions])
        whole = gain(case.comparison, other, case.arm, where=there).difference
        found.append(
            Advice(
                step=f"Send questions of the class {row.name!r} to {other.name}, without passages.",
                because=f"Passages hurt there: {other.name} less {case.arm.name} is {points(row.difference)} on "
                f"{of_class} of the class.",
                expected_gain=whole,
                command="",
                measured_by=f"paired difference of {other.name} and {case.arm.name} on {of_class} of the class, "
                f"p = {row.p:.2g} after correction for the number of classes",
                kind="route",
                arm=case.arm.name,
                at_most=whole.mean,
                unless="Other questions of the class on which the interval includes 0: the class was chosen on these.",
            )
        )
    return found


def faster(case: Case) -> list[Advice]:
    """The arm with the best answers takes longer than the limit: fewer passages, or a smaller model."""
    limit = case.needs.seconds
    slow = max(answered(case.comparison), key=lambda arm: quality(case.comparison, arm))
    if limit is None or slow.seconds.p95 <= limit:
        return []
    because = f"95% of the answers of {slow.name} take {seconds(slow.seconds.p95)}, the limit is {seconds(limit)}"
    pair = pair_of(case.pairs, slow.name, case.best.name)
    if pair is None:
        because += ", and no arm meets all needs"
    elif pair.verdict != "a":
        return []  # another arm is in time, and not shown to be worse
    else:
        because += f"; it is {points(pair.difference)} better than {case.best.name}, which is in time"
    fewer = max(1, (slow.k or UNKNOWN_K) // 2)
    how, option = (
        (f"Retrieve {fewer} passages", ("--k", str(fewer)))
        if slow.retrieves and slow.k != 1
        else ("Take a smaller chat model", ("--chat", "MODEL"))
    )
    return [
        Advice(
            step=f"{how} in {slow.name}, and measure what that costs in quality.",
            because=f"{because}.",
            expected_gain=None,
            command=case.compare("--arms", slow.name, *option),
            measured_by=f"seconds of {slow.name} on {case.questions()}",
            kind="faster",
            arm=slow.name,
            at_most=pair.difference.mean if pair else None,
            unless="A faster machine, or a higher limit.",
        )
    ]


def measure_tuned(case: Case) -> list[Advice]:
    """Labelled data are at hand, and no tuned arm was measured."""
    if case.has("tune", "both") or not (case.needs.labelled or case.comparison.train):
        return []
    at_hand = f"{case.needs.labelled:,} labelled examples are" if case.needs.labelled else f"{case.comparison.train} is"
    arms = "closed_book+tuned" + (",advanced+tuned" if case.has("ground") else "")
    return [
        _look("measure_tuned", "Measure a tuned arm.", f"{at_hand} at hand, and no tuned arm was measured.",
              case.compare("--arms", arms, "--train", case.comparison.train or "DATA"), case)
    ]  # fmt: skip


def measure_grounded(case: Case) -> list[Advice]:
    """There are needs that only passages meet, and no grounded arm was measured."""
    wants = [
        name
        for name, wanted in (("knowledge that changes", case.needs.fresh), ("sources", case.needs.sources))
        if wanted
    ]
    if case.has("ground", "both") or not wants:
        return []
    command = case.compare("--arms", "advanced", *(() if case.comparison.kb else ("--kb", "FOLDER")))
    because = f"{listed(wants).capitalize()} {'are' if len(wants) > 1 or wants == ['sources'] else 'is'} needed, and "
    return [_look("measure_grounded", "Measure a grounded arm.", f"{because}no arm was given passages.", command, case)]


def mend_arm(case: Case) -> list[Advice]:
    """Arms that failed as a whole: what they would have scored is not known."""
    return [
        _look("mend_arm", f"Mend the arm {arm.name} and run the command again.", f"It failed: {arm.error}", "", case)
        for arm in case.comparison.arms
        if arm.error
    ]


def more_questions(case: Case) -> list[Advice]:
    """The best arms cannot be told apart, and more questions could."""
    asked = len(case.comparison.questions)
    ties = [pair for pair in case.pairs if case.best.name in (pair.a, pair.b) and (pair.needed or 0) > asked]
    if not ties:
        return []
    pair = ties[0]
    size = max(abs(pair.difference.mean), MATTERS)
    other = pair.b if pair.a == case.best.name else pair.a
    return [
        _look(
            "more_questions",
            f"Ask more questions, about {pair.needed:,} in the {case.comparison.split} part instead of {asked:,}.",
            f"{case.best.name} and {other} cannot be told apart: {pair.a} less {pair.b} is {points(pair.difference)}. "
            f"So many would show {100 * size:.1f} points in 4 of 5 cases, by the variance seen here.",
            case.command("questions", "make", "MORE_QUESTIONS"),
            case,
        )
    ]


def _look(kind: str, step: str, because: str, command: str, case: Case) -> Advice:
    """Return a step that measures and gains nothing itself."""
    return Advice(step, because, None, command, f"the arms on {case.questions()}", kind, case.best.name)


STEPS: Mapping[str, Callable[[Case], list[Advice]]] = {
    **MENDING,
    "route": route,
    "faster": faster,
    "measure_tuned": measure_tuned,
    "measure_grounded": measure_grounded,
    "more_questions": more_questions,
    "mend_arm": mend_arm,
}
"""Every step by its kind: what looks at a case and returns the advice, none where it does not apply."""

_OF_THE_BEST = ("route", "faster", "measure_tuned", "measure_grounded", "more_questions", "mend_arm")


def next_steps(case: Case, others: Sequence[ArmResult] = ()) -> tuple[Advice, ...]:
    """Return the steps to take: what breaks a need first, then by gain (measured before possible), then the rest.

    Args:
        case: of the arm that is taken now.
        others: arms whose errors are looked at too, such as the best grounded one where a model alone is taken.
    """
    found = [advice for look in STEPS.values() for advice in look(case)]
    for arm in others:
        other = Case(case.comparison, case.needs, case.pairs, arm, case.best)
        found += [advice for kind, look in STEPS.items() if kind not in _OF_THE_BEST for advice in look(other)]
    return tuple(sorted(found, key=_order))


def _order(advice: Advice) -> tuple[int, float]:
    if advice.kind == "faster":
        return 0, 0.0
    if advice.expected_gain is not None:
        return 1, -advice.expected_gain.mean
    return (2, -advice.at_most) if advice.at_most is not None else (3, 0.0)
