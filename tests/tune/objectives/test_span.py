"""Questions whose answers are spans of a passage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.objectives.small import fell, opened, overfit  # noqa: E402

from trivium.tune.objectives import Options  # noqa: E402
from trivium.tune.objectives.span import answered, best_span  # noqa: E402

SQUAD = "squad/dev-v2.0.json"


def brief(one) -> bool:
    return len(one.context) < 420


def test_answers_and_refusals_are_learnt(real, tmp_path) -> None:
    samples = [
        *real(SQUAD, 11, lambda one: brief(one) and one.answers),
        *real(SQUAD, 5, lambda one: brief(one) and not one.answers),
    ]
    attached, objective = opened("span", "span", samples, Options(stride=20, tokens=1500))
    trained = overfit(attached, objective, samples, tmp_path, steps=40)
    assert fell(trained) < 0.5
    scores = objective.scores(samples)
    assert scores["f1"] > 0.6
    assert set(scores) == {"exact_match", "f1", "answerable_f1", "unanswerable_accuracy"}


@pytest.mark.parametrize("file", [SQUAD, "cmrc2018/cmrc2018_trial.json"])
def test_each_answer_stands_in_a_window_where_its_tokens_are(real, file) -> None:
    samples = real(file, 12, lambda one: len(one.answers) > 0 and len(one.question) < 120)
    _, objective = opened("span", "span", samples, Options(longest=100, stride=40))
    for place, sample in enumerate(samples):
        windows = objective._windows(sample, place)
        assert all(len(window) <= 100 for window in windows)
        covered = {number for window in windows for span in window.spans for number in range(*span)}
        assert {number for number, sign in enumerate(sample.context) if not sign.isspace()} <= covered
        held = [window for window in windows if window.start]
        assert held, "the windows share enough tokens to hold each answer whole"
        for window in held:
            first, last = window.spans[window.start - window.first], window.spans[window.end - window.first]
            said = sample.context[first[0] : last[1]]
            assert sample.answers[0] in said
            assert len(said) < len(sample.answers[0]) + 20, "of whole words"
            assert all(window.spans[number][0] >= window.spans[number - 1][0] for number in range(1, len(window.spans)))


def test_a_perfect_model_answers_every_question(real) -> None:
    samples = real(SQUAD, 12, lambda one: len(one.question) < 120)
    _, objective = opened("span", "span", samples, Options(longest=100, stride=40))

    def perfect(batch):
        start, end = (torch.full(batch["ids"].shape, -10.0) for _ in range(2))
        rows = torch.arange(len(start))
        start[rows, batch["starts"]] = 10.0
        end[rows, batch["ends"]] = 10.0
        # Windows beside an answer are sure that they hold none, less sure than the others of the answer.
        start[rows, 0] += 0.1 * (batch["starts"] == 0)
        return start, end

    objective._logits = perfect
    outcome = objective.outcome(samples)
    for sample, verdict in zip(samples, outcome.verdicts, strict=True):
        if sample.answers:
            assert verdict.value > 0.6, verdict
        else:
            assert verdict.said == "(no answer)"


def test_the_best_span_is_the_best_of_all_spans() -> None:
    draw = np.random.default_rng(0)
    for _ in range(30):
        starts, ends = draw.normal(size=18), draw.normal(size=18)
        score, start, end = best_span(starts, ends, 3, 16, 5)
        every = [
            (starts[first] + ends[last], first, last)
            for first in range(3, 16)
            for last in range(first, min(first + 5, 16))
        ]
        assert (score, start, end) == max(every)
    assert best_span(starts, ends, 4, 4, 5) is None


def test_a_set_without_unanswerable_questions_never_refuses(real) -> None:
    samples = real(SQUAD, 4, lambda one: brief(one) and one.answers)
    _, objective = opened("span", "span", samples, Options())
    outcome = objective.outcome(samples)
    assert all(verdict.said != "(no answer)" for verdict in outcome.verdicts)
    assert outcome.classes == ()


def test_a_question_without_room_is_reported(real) -> None:
    samples = real(SQUAD, 4, brief)
    long = replace(samples[0], question="why " * 300, id="long")
    _, objective = opened("span", "span", samples, Options())
    prepared = objective.prepare([*samples, long])
    assert prepared.dropped == {"question too long": ("long",)}
    assert len(objective.outcome([long]).verdicts) == 1


def test_gold_answers_score_one_and_refusals_are_counted(real) -> None:
    samples = [*real(SQUAD, 5, lambda one: one.answers), *real(SQUAD, 5, lambda one: not one.answers)]
    right = answered(samples, [sample.answers[0] if sample.answers else "" for sample in samples])
    assert set(right.scores.values()) == {1.0}
    silent = answered(samples, [""] * 10)
    assert silent.scores == {"exact_match": 0.5, "f1": 0.5, "answerable_f1": 0.0, "unanswerable_accuracy": 1.0}
