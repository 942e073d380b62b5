"""What holds for every objective: it learns with any kind of method, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.objectives.small import cut, opened  # noqa: E402

from trivium.errors import UnknownName, UsageError  # noqa: E402
from trivium.tune.loop import Settings, train  # noqa: E402
from trivium.tune.objectives import OBJECTIVES, Options, objective_for, task_for  # noqa: E402

FILES = {
    "dialogue": "ft/alpaca_en_demo.json",
    "text": "ft/wiki_demo.txt",
    "pair": "translate/cmn.txt",
    "preference": "ft/dpo_zh_500.jsonl",
    "rated": "ft/kto_en_demo.json",
    "labelled": "classify/SST2/train.tsv",
    "tagged": "ner/cluener_dev.json",
    "span": "squad/dev-v2.0.json",
}
EVERY = [(kind, task) for kind, tasks in OBJECTIVES.items() for task in tasks]


def few(real: Any, kind: str) -> list[Any]:
    if kind == "rated":
        good = real(FILES[kind], 3, lambda one: one.good)
        return [cut(one) for one in [*good, *real(FILES[kind], 3, lambda one: not one.good)]]
    if kind in ("text", "preference"):
        return [cut(one) for one in real(FILES[kind], 6)]
    return real(FILES[kind], 6, lambda one: len(str(one)) < 1000)


@pytest.mark.parametrize("method", ["prompt", "prefix", "houlsby"])
@pytest.mark.parametrize(("kind", "task"), EVERY)
def test_every_objective_learns_with_every_kind_of_method(real, kind, task, method) -> None:
    samples = few(real, kind)
    attached, objective = opened(kind, task, samples, Options(longest=300, tokens=700, longest_written=2), method)
    prepared = objective.prepare(samples)
    assert prepared.samples > 0
    batches = objective.collate(prepared.items)
    assert sum(map(objective.terms, batches)) > 0
    for batch in batches:
        loss, terms = objective.loss(batch)
        assert torch.isfinite(loss)
        assert terms == objective.terms(batch)
        (loss / terms).backward()
    slopes = [parameter.grad for parameter in attached.trained().values()]
    assert any(slope is not None and slope.abs().sum() > 0 for slope in slopes)
    scores = objective.scores(samples)
    assert objective.measure in scores
    assert objective.measure in objective.outcome(samples, most=2).scores or objective.measure == "loss"


@pytest.mark.parametrize(("kind", "task"), [("text", "masked"), ("preference", "causal"), ("labelled", "classify")])
def test_a_run_that_was_stopped_ends_like_one_that_was_not(real, tmp_path, kind, task) -> None:
    samples = few(real, kind)

    def run(folder: Path, stop_at: int = 0, resume: bool = False) -> Any:
        attached, objective = opened(kind, task, samples, Options(longest=300), "lora")
        settings = Settings(steps=8, batch=2, rate=1e-3, every=4)
        seen: list[int] = []
        return train(
            attached,
            objective,
            objective.prepare(samples),
            settings,
            folder,
            resume=resume,
            on_progress=lambda progress: seen.append(progress.step),
            stop=lambda: bool(stop_at) and len(seen) >= stop_at,
        )

    whole = run(tmp_path / "whole")
    assert run(tmp_path / "broken", stop_at=4).steps < 8
    again = run(tmp_path / "broken", resume=True)
    assert again.steps == whole.steps == 8
    assert again.loss == pytest.approx(whole.loss, abs=1e-4)


def test_names_that_are_not_there_are_refused() -> None:
    with pytest.raises(UnknownName, match="dialogue"):
        task_for("retrieval")
    with pytest.raises(UsageError, match="classify"):
        task_for("labelled", "causal")
    with pytest.raises(UnknownName):
        objective_for("nothing", type("Base", (), {"task": "causal"})(), None, [])
