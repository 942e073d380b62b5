"""The test split, scored once: systems, intervals, paired differences, error analysis."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.objectives.small import opened, overfit  # noqa: E402
from tests.tune.small import write_dialogues, write_model  # noqa: E402

from trivium.errors import UsageError  # noqa: E402
from trivium.tasks.training.read import read_training  # noqa: E402
from trivium.text.tokens import analyse  # noqa: E402
from trivium.tune.baselines import baselines_for, best_sentence, copied, logistic  # noqa: E402
from trivium.tune.final import TUNED, UNTUNED, final_test, page, write_final  # noqa: E402
from trivium.tune.objectives import Options  # noqa: E402
from trivium.tune.objectives.classify import classified  # noqa: E402
from trivium.tune.objectives.seq2seq import told  # noqa: E402
from trivium.tune.objectives.span import answered  # noqa: E402
from trivium.tune.run import Plan, tune  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def sentiment(shared_data: Path) -> list:
    return list(read_training(shared_data / "classify/SST2/train.tsv").samples)


def test_a_classifier_is_compared_with_its_base_and_simple_systems(sentiment, tmp_path) -> None:
    samples = sentiment[:24]
    attached, objective = opened("labelled", "classify", samples, Options(), "lora")
    overfit(attached, objective, samples, tmp_path, steps=25, rate=1e-2)
    final = final_test("labelled", objective, attached, samples, samples)
    assert list(final.systems) == [TUNED, UNTUNED, "majority class", "bag of words"]
    assert final.samples == final.judged == 24
    counts = Counter(sample.label for sample in samples)
    assert final.systems["majority class"]["accuracy"].mean == pytest.approx(max(counts.values()) / 24)
    assert final.systems["majority class"]["auc_roc"].mean == 0.5
    tuned = final.systems[TUNED]["accuracy"]
    assert tuned.mean > 0.9
    assert 0 < tuned.low <= tuned.mean <= tuned.high <= 1
    gain = final.differences["majority class"]
    assert gain.scores["accuracy"].mean == pytest.approx(tuned.mean - max(counts.values()) / 24)
    assert gain.scores["accuracy"].low > 0
    assert gain.paired.difference.mean == pytest.approx(gain.scores["accuracy"].mean)
    assert final.systems[UNTUNED]["cross_entropy"].mean > final.systems[TUNED]["cross_entropy"].mean
    assert attached.names() == ("default",)
    assert objective.scores(samples)["accuracy"] == tuned.mean, "the adapter is on again"

    said = Counter(final.errors.confusion)
    assert sum(count for _, _, count in said) == 24
    assert sum(row.support for row in final.errors.classes) == 24
    losses = [verdict.loss for verdict in final.errors.worst]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == 10

    write_final(final, tmp_path / "report")
    read = json.loads((tmp_path / "report/final.json").read_text("utf-8"))
    assert read["systems"]["tuned"]["accuracy"]["mean"] == tuned.mean
    text = (tmp_path / "report/final.md").read_text("utf-8")
    assert "better than majority class (+" in text
    for heading in ("Scores", "Tuned, less", "Classes", "Confusion", "Worst samples"):
        assert f"## {heading}" in text


def test_a_method_that_changes_the_base_needs_a_base_of_its_own(sentiment) -> None:
    samples = sentiment[:10]
    attached, objective = opened("labelled", "classify", samples, Options())
    final = final_test("labelled", objective, attached, samples, samples)
    assert UNTUNED not in final.systems
    assert "Full fine-tuning" in final.missing[UNTUNED]
    assert "not scored" in page(final)
    _, other = opened("labelled", "classify", samples, Options())
    final = final_test("labelled", objective, attached, samples, samples, untuned=other)
    assert final.differences[UNTUNED].scores["accuracy"].mean == 0
    assert f"a tie with {UNTUNED}" in page(final)


@pytest.mark.parametrize(("method", "settings"), [("full", {}), ("freeze", {"layers": 1})])
def test_a_run_loads_the_base_anew_where_the_method_changed_it(tmp_path, method, settings) -> None:
    data, base = str(write_dialogues(tmp_path / "data.json", 60)), str(write_model(tmp_path / "base"))
    plan = Plan(data, base, method, settings, training={"steps": 20, "batch": 8, "rate": 1e-2})
    report = tune(plan, tmp_path / "run")
    untuned = report["against"][UNTUNED]
    assert report["test"]["perplexity"]["mean"] < 0.8 * untuned["perplexity"]["mean"]
    assert f"better than {UNTUNED}" in report["verdict"]
    # LoRA gives the base back by being switched off: the two ways must find the same base.
    switched = tune(replace(plan, method="lora", settings={}), tmp_path / "lora")["against"][UNTUNED]
    assert {name: score["mean"] for name, score in untuned.items()} == pytest.approx(
        {name: score["mean"] for name, score in switched.items()}, rel=1e-4
    )


def test_an_empty_split_is_refused(sentiment) -> None:
    attached, objective = opened("labelled", "classify", sentiment[:10], Options())
    with pytest.raises(UsageError, match="empty"):
        final_test("labelled", objective, attached, sentiment[:10], [])


@pytest.mark.parametrize(
    ("kind", "task", "file", "names", "score"),
    [
        ("labelled", "classify", "pairs/sts-train.csv", ["mean value"], "spearman"),
        ("tagged", "tag", "ner/cluener_dev.json", ["most frequent tag"], "entity_f1"),
        ("span", "span", "squad/dev-v2.0.json", ["best sentence"], "f1"),
        ("pair", "seq2seq", "translate/cmn.txt", ["copy of the source"], "chrf"),
        ("pair", "causal", "translate/cmn.txt", ["copy of the source"], "bleu"),
        ("text", "masked", "ft/wiki_demo.txt", [], "perplexity"),
        ("preference", "causal", "ft/dpo_zh_500.jsonl", ["the longer answer"], "preference_accuracy"),
        ("rated", "causal", "ft/kto_en_demo.json", ["majority"], "auc_roc"),
        ("dialogue", "causal", "ft/alpaca_en_demo.json", [], "token_f1"),
    ],
)
def test_every_kind_has_a_report(shared_data, tmp_path, kind, task, file, names, score) -> None:
    samples = list(read_training(shared_data / file).samples)
    samples = sorted(samples, key=lambda one: len(str(one)))
    if kind == "rated":
        samples = [one for good in (True, False) for one in [one for one in samples if one.good is good][:7]]
    else:
        samples = samples[:40:3]
    options = Options(longest_written=4, longest=128 if kind == "text" else 400)
    attached, objective = opened(kind, task, samples, options, "lora")
    final = final_test(kind, objective, attached, samples, samples, most=5)
    assert list(final.systems) == [TUNED, UNTUNED, *names]
    assert math.isfinite(final.systems[TUNED][score].mean)
    assert final.differences[UNTUNED].scores[score].mean == pytest.approx(0.0, abs=1e-5), "nothing is tuned yet"
    assert final.errors.worst
    write_final(final, tmp_path)
    json.loads((tmp_path / "final.json").read_text("utf-8"), parse_constant=lambda name: pytest.fail(name))
    assert "## Worst samples" in (tmp_path / "final.md").read_text("utf-8")


def test_the_bag_of_words_is_as_good_as_scikit_learns(sentiment) -> None:
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train, test = sentiment[:800], sentiment[800:1200]
    words = [[analyse(sample.text) for sample in part] for part in (train, test)]
    gold = np.array([int(sample.label) for sample in train])
    right = np.array([int(sample.label) for sample in test])
    vectors = TfidfVectorizer(analyzer=list, sublinear_tf=True)
    seen, asked = vectors.fit_transform(words[0]), vectors.transform(words[1])
    theirs = (LogisticRegression(C=10, max_iter=1000).fit(seen, gold).predict(asked) == right).mean()
    ours = (logistic(words[0], gold, words[1]).argmax(axis=1) == right).mean()
    assert ours > 0.6
    assert ours == pytest.approx(theirs, abs=0.04)


def test_bags_of_words_that_hold_nothing_known_get_the_bias() -> None:
    found = logistic([["a", "b"], ["a"], ["c"]], np.array([0, 0, 1]), [[], ["new"], ["c"]])
    assert found[0] == pytest.approx(found[1])
    assert found[0, 0] > 0.5
    assert found[2, 1] > found[0, 1]


def test_the_best_sentence_holds_the_answer_more_often_than_the_first(shared_data) -> None:
    samples = [one for one in read_training(shared_data / "squad/dev-v2.0.json").samples if one.answers][:200]
    nothing = answered(samples, [""] * len(samples))
    outcome = best_sentence(samples, samples, nothing)
    first = answered(samples, [one.context.split(". ")[0] for one in samples])
    assert outcome.scores["f1"] > first.scores["f1"] > 0


def test_a_copy_is_made_of_what_was_written_alone(shared_data) -> None:
    samples = list(read_training(shared_data / "translate/cmn.txt").samples[:6])
    gold = [sample.target for sample in samples]
    tuned = told(samples, gold, gold, gold[:2])
    copy = copied([], samples, tuned)
    assert [math.isnan(verdict.value) for verdict in copy.verdicts] == [False] * 2 + [True] * 4
    assert tuned.scores["chrf"] == 1.0


def test_the_intervals_are_those_of_the_same_resamples(sentiment) -> None:
    """A system that is always as good as another, whatever the sample, differs by nothing, and surely so."""
    samples = sentiment[:60]
    attached, objective = opened("labelled", "classify", samples, Options(), "lora")
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet((1, 1), 60)
    swapped = classified(samples, ("0", "1"), probabilities)
    objective.outcome = lambda given, most=None: swapped
    final = final_test("labelled", objective, attached, samples, samples)
    for score in final.differences[UNTUNED].scores.values():
        assert (score.mean, score.low, score.high) == (0, 0, 0)
    assert final.systems[TUNED]["macro_f1"].low < final.systems[TUNED]["macro_f1"].high


def test_labelled_values_have_the_mean_for_a_baseline(shared_data) -> None:
    samples = read_training(shared_data / "pairs/sts-train.csv").samples[:50]
    (say,) = baselines_for("labelled", samples).values()
    scores = say(samples, samples, None).scores
    assert scores["mse"] == pytest.approx(np.var([sample.value for sample in samples]))
    assert scores["r2"] == pytest.approx(0.0)
