"""DPO and KTO: learnt on real preferences, and the losses against TRL's."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.objectives.small import cut, fell, opened, overfit  # noqa: E402

from trivium.errors import UsageError  # noqa: E402
from trivium.tune.objectives import Options  # noqa: E402


def preferences(real) -> list[Any]:
    return [cut(one) for one in real("ft/dpo_zh_500.jsonl", 16, lambda one: one.chosen[:50] != one.rejected[:50])]


def ratings(real) -> list[Any]:
    good = real("ft/kto_en_demo.json", 8, lambda one: one.good)
    return [cut(one) for one in [*good, *real("ft/kto_en_demo.json", 8, lambda one: not one.good)]]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_preferences_are_learnt(real, tmp_path, method) -> None:
    samples = preferences(real)
    attached, objective = opened("preference", "causal", samples, Options(tokens=1500), method)
    start = objective.scores(samples)
    assert start["loss"] == pytest.approx(math.log(2), abs=1e-4), "at first the model is its own reference"
    assert start["preference_accuracy"] == pytest.approx(0.5, abs=0.5)
    trained = overfit(attached, objective, samples, tmp_path, steps=30, rate=1e-2)
    assert trained.history[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert fell(trained) < 0.5
    scores = objective.scores(samples)
    assert scores["preference_accuracy"] == 1.0
    assert scores["margin"] > 0.5


def test_ratings_are_learnt(real, tmp_path) -> None:
    samples = ratings(real)
    attached, objective = opened("rated", "causal", samples, Options(tokens=4000, beta=0.5), "lora")
    trained = overfit(attached, objective, samples, tmp_path, steps=30, rate=1e-2)
    assert trained.history[0]["loss"] == pytest.approx(0.5, abs=1e-4)
    assert fell(trained) < 0.5
    scores = objective.scores(samples)
    assert scores["auc_roc"] > 0.95
    assert scores["margin"] > 0.5


def test_the_reference_is_computed_once_with_the_adapter_off(real) -> None:
    samples = preferences(real)[:4]
    attached, objective = opened("preference", "causal", samples, Options(), "lora")
    first = objective.prepare(samples).items
    with torch.no_grad():
        for parameter in attached.trained().values():
            parameter.add_(0.3 * torch.randn_like(parameter))
    margin = objective.scores(samples)["margin"]
    assert abs(margin) > 1e-3
    again = objective.prepare(samples).items
    assert [item.reference for item in again] == [item.reference for item in first]
    objective._known.clear()
    fresh = objective.prepare(samples).items
    for one, other in zip(first, fresh, strict=True):
        assert one.reference == pytest.approx(other.reference, abs=1e-3)
    assert objective.scores(samples)["margin"] == pytest.approx(margin, abs=1e-4), "and it is switched on again"
    assert all(parameter.requires_grad for parameter in attached.trained().values())


def test_one_kind_of_rating_is_refused(real) -> None:
    with pytest.raises(UsageError, match="all good"):
        opened("rated", "causal", [one for one in ratings(real) if one.good], Options())


def moved(kind: str, samples: list[Any], options: Options) -> tuple[Any, Any, dict[str, Any]]:
    """An objective whose model has left its reference, and one batch of all samples."""
    attached, objective = opened(kind, "causal", samples, options)
    prepared = objective.prepare(samples)
    with torch.no_grad():
        for parameter in attached.trained().values():
            parameter.add_(0.05 * torch.randn_like(parameter))
    (batch,) = objective.collate(prepared.items)
    return attached, objective, dict(batch)


def trainer(name: str, objective: Any, attached: Any, folder: Any, rows: list[dict[str, Any]], **more: Any) -> Any:
    trl = pytest.importorskip("trl", reason="the extra 'tune' is not installed")
    datasets = pytest.importorskip("datasets", reason="the extra 'tune' is not installed")
    how = getattr(trl, f"{name}Config")(
        output_dir=str(folder), use_cpu=True, bf16=False, gradient_checkpointing=False, report_to=[], beta=0.1, **more
    )
    return getattr(trl, f"{name}Trainer")(
        model=attached.model,
        ref_model=objective._frozen,
        args=how,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=objective._tokenizer,
    )


def mask_of(batch: dict[str, Any]) -> dict[str, Any]:
    return {
        "input_ids": batch["ids"],
        "attention_mask": (batch["positions"] >= 0).long(),
        "completion_mask": (batch["labels"] != -100).long(),
    }


def test_the_loss_of_pairs_is_trls(real, tmp_path) -> None:
    samples = preferences(real)[:6]
    attached, objective, batch = moved("preference", samples, Options(tokens=10_000))
    ours, terms = objective.loss(batch)
    rows = [{"prompt": "a", "chosen": "b", "rejected": "c"}] * 2
    theirs = trainer("DPO", objective, attached, tmp_path, rows)._compute_loss(attached.model, mask_of(batch), False)
    assert terms == 6
    assert ours.item() / terms != pytest.approx(math.log(2), abs=1e-2)
    assert ours.item() / terms == pytest.approx(theirs.item(), rel=1e-4)


@pytest.mark.parametrize("balanced", [False, True])
def test_the_loss_of_ratings_is_trls(real, tmp_path, balanced) -> None:
    samples = [*[one for one in ratings(real) if one.good][:5], *[one for one in ratings(real) if not one.good][:2]]
    attached, objective, batch = moved("rated", samples, Options(tokens=10_000, balanced=balanced))
    ours, terms = objective.loss(batch)
    rows = [{"prompt": "a", "completion": "b", "label": True}, {"prompt": "b", "completion": "a", "label": False}]
    weights = {"desirable_weight": objective._weights[1], "undesirable_weight": objective._weights[0]}
    made = trainer("KTO", objective, attached, tmp_path, rows, **weights)
    whole = mask_of(batch)
    given = {name: value[:terms] for name, value in whole.items()}
    given |= {f"KL_{name}": value[terms:] for name, value in whole.items()}
    theirs = made._compute_loss(attached.model, {**given, "label": batch["good"]}, False)
    assert terms == 7
    assert (weights["undesirable_weight"] == 1.75) == balanced
    assert ours.item() / terms == pytest.approx(theirs.item(), rel=1e-4)
