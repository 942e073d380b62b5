"""Classification, pair classification and regression."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.objectives.small import fell, opened, overfit  # noqa: E402

from trivium.errors import UsageError  # noqa: E402
from trivium.tasks.training.values import Labelled  # noqa: E402
from trivium.tune.bases import open_base  # noqa: E402
from trivium.tune.final import TUNED, final_test  # noqa: E402
from trivium.tune.loop import Settings, train  # noqa: E402
from trivium.tune.methods import attach  # noqa: E402
from trivium.tune.objectives import Options, labels_of, objective_for  # noqa: E402


@pytest.mark.parametrize(
    ("file", "family"),
    [("classify/SST2/train.tsv", "bert"), ("pairs/LCQMC_dev.txt", "bert"), ("classify/SST2/train.tsv", "llama")],
)
def test_sixteen_samples_are_learnt(real, tmp_path, file, family) -> None:
    samples = [*real(file, 8, lambda one: one.label == "0"), *real(file, 8, lambda one: one.label == "1")]
    attached, objective = opened("labelled", "classify", samples, Options(tokens=400), family=family)
    before = objective.scores(samples)
    trained = overfit(attached, objective, samples, tmp_path)
    after = objective.scores(samples)
    assert fell(trained) < 0.5
    assert trained.loss == pytest.approx(math.log(2), abs=0.7)
    assert after["accuracy"] > 0.9 > before["accuracy"]
    assert after["cross_entropy"] < before["cross_entropy"] / 2


def test_values_are_learnt_in_their_own_unit(real, tmp_path) -> None:
    samples = real("pairs/sts-train.csv", 16)
    attached, objective = opened("labelled", "classify", samples, Options())
    gold = np.array([sample.value for sample in samples])
    before = objective.scores(samples)
    assert before["mse"] == pytest.approx(gold.var(), rel=0.3), "a new head starts at the mean"
    trained = overfit(attached, objective, samples, tmp_path, steps=40)
    assert trained.history[0]["loss"] == pytest.approx(before["mse"] / gold.var(), rel=1e-3)
    assert fell(trained) < 0.5
    assert objective.scores(samples)["mse"] < before["mse"] / 2


def test_the_loss_does_not_depend_on_the_micro_batches(real) -> None:
    samples = real("classify/SST2/train.tsv", 12)
    losses = []
    for tokens in (30, 4000):
        _, objective = opened("labelled", "classify", samples, Options(tokens=tokens))
        batches = objective.collate(objective.prepare(samples).items)
        assert sum(map(objective.terms, batches)) == 12
        losses.append(sum(objective.loss(batch)[0].item() for batch in batches))
        assert (len(batches) > 3) == (tokens == 30)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_balanced_classes_weigh_alike(real) -> None:
    samples = [
        *real("classify/SST2/train.tsv", 9, lambda one: one.label == "1"),
        *real("classify/SST2/train.tsv", 3, lambda one: one.label == "0"),
    ]
    losses = []
    for balanced in (False, True):
        attached, objective = opened("labelled", "classify", samples, Options(balanced=balanced))
        attached.model.classifier.bias.data = torch.tensor([0.0, 2.0])
        (batch,) = objective.collate(objective.prepare(samples).items)
        losses.append(objective.loss(batch)[0].item())
    rare, common = (
        -np.log(objective.outcome(part).table[:, 1 + label]).sum()
        for part, label in ((samples[9:], 0), (samples[:9], 1))
    )
    assert losses[0] == pytest.approx(rare + common, rel=1e-5)
    assert losses[1] == pytest.approx(2 * rare + common * 2 / 3, rel=1e-5)
    assert objective.measure == "macro_f1"


def test_long_samples_are_cut_and_reported(real) -> None:
    sample = real("classify/SST2/train.tsv", 2)
    long = [replace(sample[0], text="word " * 500, label="0"), replace(sample[1], label="1")]
    _, objective = opened("labelled", "classify", long, Options(longest=100))
    prepared = objective.prepare(long)
    assert prepared.cut == (long[0].id,)
    assert max(prepared.lengths) == 100


def test_labels_that_training_lacks_are_wrong_and_refused_in_training(real) -> None:
    samples = [*real("classify/SST2/train.tsv", 8)]
    samples[0] = replace(samples[0], label="0")
    samples[1] = replace(samples[1], label="1")
    _, objective = opened("labelled", "classify", samples, Options())
    strange = [replace(samples[0], label="7"), samples[1]]
    outcome = objective.outcome(strange)
    assert outcome.verdicts[0].value == 0.0
    assert math.isnan(outcome.verdicts[0].loss)
    assert math.isfinite(outcome.scores["cross_entropy"])
    with pytest.raises(UsageError, match="have 1 label"):
        opened("labelled", "classify", [samples[0]] * 3, Options())


def test_values_that_do_not_vary_are_refused() -> None:
    same = [Labelled("a text", value=3.0, id=str(number)) for number in range(4)]
    with pytest.raises(UsageError, match="standard deviation"):
        opened("labelled", "classify", same, Options())


@pytest.mark.real
def test_minilm_learns_the_sentiment_of_reviews(real, tmp_path) -> None:
    samples = real("classify/SST2/train.tsv", 400)
    train_split, test = samples[:200], samples[200:]
    base = open_base(None, "classify", labels=labels_of(train_split))
    attached = attach(base.model, "lora", task="classify")
    objective = objective_for("labelled", base, attached, train_split)
    prepared = objective.prepare(train_split)
    trained = train(attached, objective, prepared, Settings(epochs=6, rate=2e-3), tmp_path)
    assert fell(trained) < 0.7
    final = final_test("labelled", objective, attached, train_split, test)
    assert final.differences["majority class"].scores["accuracy"].low > 0
    assert final.systems[TUNED]["accuracy"].mean > 0.7
