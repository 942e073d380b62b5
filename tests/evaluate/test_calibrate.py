"""Agreement with labels equals scikit-learn's, intervals cover what they should, and the command says it all."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.cli import main
from trivium.errors import UnknownName, UsageError
from trivium.evaluate import calibrate as module
from trivium.evaluate.calibrate import auc, balanced_accuracy, calibrate, kappa, length_bias, prediction_powered
from trivium.evaluate.labels import grade, read_labels, scores_by_judge, scores_without_model


def drawn(n: int, seed: int, right: float = 0.8, share: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Labels and a judge that is right so often."""
    random = np.random.default_rng(seed)
    labels = random.random(n) < share
    return labels, np.where(random.random(n) < right, labels, ~labels)


# --- beside scikit-learn -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_kappa_and_balanced_accuracy_equal_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    labels, verdicts = drawn(37 + seed, seed, right=0.3 + seed / 30)
    assert kappa(labels, verdicts).mean == pytest.approx(metrics.cohen_kappa_score(labels, verdicts), abs=1e-12)
    expected = metrics.balanced_accuracy_score(labels, verdicts)
    assert balanced_accuracy(labels, verdicts).mean == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("decimals", [1, 6])
def test_auc_equals_scikit_learn_with_and_without_ties(seed: int, decimals: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(seed)
    labels = random.random(80) < 0.4
    scores = np.round(random.random(80) * 0.6 + labels * 0.3, decimals)
    assert auc(scores, labels).mean == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)


def test_agreement_by_hand_and_at_its_ends() -> None:
    labels = np.array([True] * 25 + [False] * 25)
    verdicts = np.array([True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)
    assert kappa(labels, verdicts).mean == pytest.approx(0.4)
    perfect = kappa(labels, labels)
    assert (perfect.mean, perfect.high) == (1.0, 1.0)
    assert 0.7 < perfect.low < 1.0
    assert kappa(labels, ~labels).mean == pytest.approx(-1.0)
    assert math.isnan(kappa(labels[:25], labels[:25]).mean)
    assert math.isnan(balanced_accuracy(labels[:25], verdicts[:25]).mean)
    assert math.isnan(auc(verdicts[:25].astype(float), labels[:25]).mean)
    apart = auc(labels.astype(float), labels)
    assert apart.low < 1.0 == apart.mean == apart.high


# --- what the intervals promise --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "sensitivity", "specificity", "share"),
    [(50, 1000, 0.9, 0.8, 0.5), (100, 2000, 0.8, 0.7, 0.8), (200, 500, 0.6, 0.6, 0.3), (150, 3000, 0.95, 0.9, 0.85)],
)
def test_prediction_powered_intervals_cover_the_truth(
    labelled: int, unlabelled: int, sensitivity: float, specificity: float, share: float
) -> None:
    """Simulated: 95% intervals hold the true mean in 92% to 98% of the draws, and the judge's own mean does not."""
    random = np.random.default_rng(7)
    held = naive = 0
    narrower = []
    for _ in range(2000):
        y = random.random(labelled + unlabelled) < share
        f = np.where(y, random.random(len(y)) < sensitivity, random.random(len(y)) >= specificity).astype(float)
        found, _ = prediction_powered(y[:labelled].astype(float), f[:labelled], f[labelled:])
        alone, _ = prediction_powered(y[:labelled].astype(float), f[:labelled], f[:0])
        held += found.low <= share <= found.high
        narrower.append((found.high - found.low) / (alone.high - alone.low))
        spread = 1.96 * f.std() / len(f) ** 0.5
        naive += abs(f.mean() - share) <= spread
    assert 0.92 <= held / 2000 <= 0.98
    assert naive / 2000 < 0.8
    assert np.mean(narrower) < 1.01


def test_a_good_judge_narrows_the_interval_and_a_useless_one_does_not_widen_it() -> None:
    y, f = (one.astype(float) for one in drawn(4100, 3, right=0.95))
    good, power = prediction_powered(y[:100], f[:100], f[100:])
    alone, none = prediction_powered(y[:100], f[:100], f[:0])
    assert good.high - good.low < 0.7 * (alone.high - alone.low)
    assert power > 0.6
    assert none == 0.0
    noise = np.random.default_rng(1).random(4100)
    useless, weight = prediction_powered(y[:100], noise[:100], noise[100:])
    assert weight < 0.3
    assert useless.high - useless.low < 1.05 * (alone.high - alone.low)


def test_power_one_is_the_mean_of_the_paper() -> None:
    """With a judge that is a copy, λ nears 1 and the estimate is mean(f unlabelled) + mean(y - f) = mean(f)."""
    y = drawn(50_050, 5)[0].astype(float)
    found, power = prediction_powered(y[:50], y[:50], y[50:])
    assert power == pytest.approx(1.0, abs=0.05)
    assert found.mean == pytest.approx(y[50:].mean(), abs=0.01)


def test_kappa_s_interval_covers() -> None:
    random = np.random.default_rng(2)
    sensitivity, specificity, share = 0.85, 0.75, 0.6
    table = np.array([
        (1 - share) * specificity, (1 - share) * (1 - specificity), share * (1 - sensitivity), share * sensitivity
    ])  # fmt: skip
    truth = float(module._kappa_of(table))
    held = 0
    for _ in range(300):
        y = random.random(80) < share
        f = np.where(y, random.random(80) < sensitivity, random.random(80) >= specificity)
        found = kappa(y, f)
        held += found.low <= truth <= found.high
    assert 0.90 <= held / 300 <= 0.99


def test_student_quantiles() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 4, 5, 10, 30, 100, 1000):
        assert module._student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.003)


@given(
    st.lists(
        st.tuples(st.none() | st.floats(0, 1), st.none() | st.floats(0, 1), st.integers(0, 5000)),
        min_size=2,
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_labels_give_a_calibration_or_say_why_not(rows) -> None:
    labels, scores, lengths = (list(column) for column in zip(*rows, strict=True))
    usable = sum(label is not None and score is not None for label, score, _ in rows)
    if usable < 2:
        with pytest.raises(UsageError):
            calibrate(labels, scores)
        return
    found = calibrate(labels, scores, lengths=lengths)
    assert found.labelled == usable
    assert found.labelled + found.unlabelled + found.failures == len(rows)
    for score in (found.kappa, found.balanced_accuracy, found.auc, found.corrected, found.judge_alone):
        assert math.isnan(score.mean) or score.low <= score.mean <= score.high


def test_length_bias_is_seen() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(20, 2000, 300)
    errors = random.normal(0, 0.3, 300)
    log = np.log1p(lengths)
    biased = errors + 0.2 * (log - log.mean()) / log.std()
    assert length_bias(errors, lengths).low < 0 < length_bias(errors, lengths).high
    assert length_bias(biased, lengths).mean == pytest.approx(0.2, abs=0.05)
    assert length_bias(biased, lengths).low > 0.1
    assert math.isnan(length_bias(errors, np.ones(300)).mean)


# --- files and the command ----------------------------------------------------------------------------------------

PASSAGE = "The warranty of the K2 pump is 24 months."


def rows(n: int, labelled: int) -> list[dict]:
    made = []
    for number in range(n):
        good = number % 3 != 0
        made.append(
            {
                "id": str(number),
                "question": "How long is the warranty of the K2 pump?",
                "answer": f"The warranty of the K2 pump is {24 if good else 30 + number} months.",
                "passages": [PASSAGE, {"text": "Glass is made of sand.", "source": "glass.md"}],
                "label": ("yes" if good else "no") if number < labelled else None,
            }
        )
    return made


def write(path: Path, lines: list[dict | str]) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("value", "found"),
    [(True, 1), (False, 0), (1, 1), (0.25, 0.25), ("Yes", 1), ("错误", 0), ("0.5", 0.5), (None, None), ("", None)],
)
def test_labels(value: object, found: float | None) -> None:
    assert grade(value, "label") == found


@pytest.mark.parametrize("value", [2, -1, "maybe", [], {}, math.nan, "5", "nan", "inf"])
def test_what_is_no_label(value: object) -> None:
    with pytest.raises(ValueError, match="label"):
        grade(value, "label")


def test_bad_records_are_reported_by_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = ["{broken", {"question": "q"}, {"answer": "a", "label": 7}, {"answer": "a", "passages": [3]}]
    found, problems = read_labels(write(tmp_path / "l.jsonl", [*rows(3, 2), *bad]))
    assert [row.label for row in found] == [0.0, 1.0, None]
    assert sorted(problem.where for problem in problems) == [f"l.jsonl:{line}" for line in (4, 5, 6, 7)]
    assert found[0].answer.hits[1].chunk.source == "glass.md"
    with pytest.raises(UsageError, match="holds no answer"):
        read_labels(write(tmp_path / "none.jsonl", [{"question": "q"}, {"question": "r"}]))


def test_scores_without_a_model_tell_the_planted_answers_apart(tmp_path: Path) -> None:
    found, _ = read_labels(write(tmp_path / "l.jsonl", rows(30, 30)))
    scores = scores_without_model(found)
    result = calibrate([row.label for row in found], scores)
    assert result.kappa.mean == 1.0
    with pytest.raises(UnknownName, match="groundedness"):
        scores_without_model(found, "truthiness")


def test_a_judge_that_fails_on_some_leaves_them_out(tmp_path: Path) -> None:
    from trivium.evaluate.judge import Judge
    from trivium.models.fake import FakeChat

    def reply(messages) -> str:
        text = messages[1].content.split("The claim:")[1]
        if "36 months" in text:
            raise RuntimeError("down")
        return json.dumps({"reason": "x", "verdict": "supported" if "24 months" in text else "contradicted"})

    found, _ = read_labels(write(tmp_path / "l.jsonl", rows(60, 40)))
    judge = Judge(FakeChat(reply))
    seen: list[tuple[int, int]] = []
    scores = scores_by_judge(found, judge, progress=lambda done, total: seen.append((done, total)))
    assert [place for place, one in enumerate(scores) if one is None] == [6]
    assert judge.failures == 1
    assert seen[-1] == (60, 60)
    result = calibrate([row.label for row in found], scores)
    assert (result.labelled, result.unlabelled, result.failures) == (39, 20, 1)
    assert result.kappa.mean == 1.0
    assert result.corrected.low < 2 / 3 < result.corrected.high


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    out, err = capfd.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, out, err


def test_the_command_prints_one_object(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "l.jsonl", [*rows(60, 45), "{broken"])
    status, out, err = run(capfd, "judge", "calibrate", str(path), "--json")
    assert status == 0
    found = json.loads(out)
    assert (found["labelled"], found["unlabelled"], found["unreadable"], found["judge_failures"]) == (45, 15, 1, 0)
    assert found["judge"] == "faithfulness without a model"
    assert set(found["kappa"]) == {"mean", "low", "high", "n"}
    assert found["corrected"]["low"] < 2 / 3 < found["corrected"]["high"]
    assert "l.jsonl:61" in err


def test_the_command_shows_a_table_and_warns_of_few_labels(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    judged = [row | {"judge": 1.0 if number % 3 else 0.0} for number, row in enumerate(rows(20, 20))]
    status, out, err = run(capfd, "judge", "calibrate", str(write(tmp_path / "l.jsonl", judged)))
    assert status == 0
    assert "the file's scores" in out
    assert "Cohen's kappa" in out
    assert "20 labels say little" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--metric", "truthiness"), "faithfulness"),
        (("--metric", "truthiness", "--judge", "http://localhost:9/v1#m"), "faithfulness"),
        (("--judge", "no-such-model"), "smollm2"),
    ],
)
def test_wrong_usage_names_what_there_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    status, _, err = run(capfd, "judge", "calibrate", str(write(tmp_path / "l.jsonl", rows(4, 4))), *arguments)
    assert status == 2
    assert said in err


def test_too_few_labels_are_an_error_with_its_cure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capfd, "judge", "calibrate", str(write(tmp_path / "l.jsonl", rows(4, 1))))
    assert status == 2
    assert "Label more answers" in err


def test_help_has_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    assert "Example: trivium judge calibrate" in run(capfd, "judge", "calibrate", "--help")[1]
    assert "calibrate" in run(capfd, "judge", "--help")[1]
