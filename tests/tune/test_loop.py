"""The loop: losses fall, a run that was cut goes on as if it had not been, and what goes wrong is said clearly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.tune.small import write_dialogues, write_model

from trivium.errors import ModelError, StoreFull, TrainingFailed

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("base")
    write_dialogues(place / "data.json", 60)
    return write_model(place / "model").parent


def run(folder: Path, out: Path, *, method: str = "lora", seed: int = 0, **more: Any) -> Any:
    from trivium.tasks.training.read import read_training
    from trivium.tune.bases import open_base
    from trivium.tune.loop import Settings, train
    from trivium.tune.methods import attach
    from trivium.tune.objectives.causal import Causal

    settings = more.pop("settings", Settings(steps=12, batch=8, rate=1e-2, every=4))
    torch.manual_seed(seed)
    base = open_base(folder / "model", "causal")
    attached = attach(base.model, method, None, task="causal")
    objective = Causal(attached, base.tokenizer, longest=64, tokens=128, fast=more.pop("fast", True))
    samples = read_training(folder / "data.json").samples
    prepared = objective.prepare(samples[:48])
    result = train(attached, objective, prepared, settings, out, validation=samples[48:], **more)
    return result, attached


@pytest.mark.parametrize("method", ["lora", "full", "houlsby", "prompt"])
def test_the_loss_falls(folder: Path, tmp_path: Path, method: str) -> None:
    result, _ = run(folder, tmp_path, method=method)
    losses = [row["loss"] for row in result.history]
    assert len(losses) == result.steps == 12
    assert sum(losses[-3:]) < sum(losses[:3])
    assert result.best == min(row["validation_loss"] for row in result.history if "validation_loss" in row)


def test_the_pass_by_hand_trains_as_transformers_does(folder: Path, tmp_path: Path) -> None:
    by_hand, _ = run(folder, tmp_path / "a", fast=True)
    plain, _ = run(folder, tmp_path / "b", fast=False)
    assert [row["loss"] for row in by_hand.history] == pytest.approx([row["loss"] for row in plain.history], rel=1e-3)


def test_accumulated_batches_are_one_large_batch(folder: Path, tmp_path: Path) -> None:
    from trivium.tune.loop import Settings

    one, _ = run(folder, tmp_path / "a", settings=Settings(steps=3, batch=48, rate=1e-3, every=9))
    many, _ = run(folder, tmp_path / "b", settings=Settings(steps=3, batch=8, accumulate=6, rate=1e-3, every=9))
    assert [row["loss"] for row in many.history] == pytest.approx([row["loss"] for row in one.history], rel=1e-4)


@pytest.mark.parametrize("method", ["lora", "adalora", "houlsby"])
def test_a_stopped_run_goes_on_to_the_same_loss(folder: Path, tmp_path: Path, method: str) -> None:
    whole, _ = run(folder, tmp_path / "whole", method=method)
    steps: list[int] = []
    first, _ = run(folder, tmp_path / "cut", method=method, on_progress=lambda at: steps.append(at.step),
                   stop=lambda: len(steps) == 5)  # fmt: skip
    assert first.stopped == "asked"
    second, _ = run(folder, tmp_path / "cut", method=method, resume=True, seed=99)
    assert [row["step"] for row in second.history] == list(range(1, 13))
    assert second.history[-1]["loss"] == pytest.approx(whole.history[-1]["loss"], abs=1e-3)
    assert second.best == pytest.approx(whole.best, abs=1e-3)


def test_a_checkpoint_that_was_not_finished_is_passed_over(folder: Path, tmp_path: Path) -> None:
    from trivium.tune.checkpoints import last_whole

    run(folder, tmp_path)
    newest = last_whole(tmp_path / "checkpoints")
    assert newest is not None
    (newest / "whole").unlink()
    (newest / "optimizer.pt").write_bytes(b"torn")
    before = last_whole(tmp_path / "checkpoints")
    assert before is not None
    assert before != newest
    result, _ = run(folder, tmp_path, resume=True)
    assert result.steps == 12


def test_the_weights_left_are_those_of_the_best_validation(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from trivium.tune.loop import Settings

    result, attached = run(folder, tmp_path, settings=Settings(steps=30, batch=8, rate=1.0, every=2))
    assert result.best_step < 30
    best = load_file(tmp_path / "best" / "trained.safetensors")
    assert all(torch.equal(attached.trained()[name], value) for name, value in best.items())


def test_it_stops_early_where_nothing_is_gained(folder: Path, tmp_path: Path) -> None:
    from trivium.tune.loop import Settings

    result, _ = run(folder, tmp_path, settings=Settings(steps=200, batch=8, rate=1.0, every=2, patience=3))
    assert result.steps < 200
    assert "no better loss in 3 validations" in result.stopped


def test_a_diverged_run_says_what_to_lower(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trivium.tune.objectives.causal import Causal

    plain, calls = Causal.loss, [0]

    def broken(self: Causal, batch: Any) -> Any:
        calls[0] += 1
        loss, terms = plain(self, batch)
        return loss * (float("nan") if calls[0] > 15 else 1.0), terms

    monkeypatch.setattr(Causal, "loss", broken)
    with pytest.raises(TrainingFailed, match=r"diverged.*--rate"):
        run(folder, tmp_path)
    from trivium.tune.checkpoints import last_whole

    assert last_whole(tmp_path / "checkpoints") is not None


def test_a_full_disk_keeps_the_checkpoint_before(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trivium.tune import checkpoints

    plain, calls = checkpoints.save_file, [0]

    def full(weights: Any, path: Any) -> None:
        calls[0] += 1
        if calls[0] > 4:
            raise OSError(28, "No space left on device")
        plain(weights, path)

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(StoreFull, match="--resume"):
        run(folder, tmp_path)
    monkeypatch.undo()
    assert checkpoints.last_whole(tmp_path / "checkpoints") is not None
    result, _ = run(folder, tmp_path, resume=True)
    assert result.steps == 12


def test_no_memory_says_what_to_lower(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trivium.tune.objectives.causal import Causal

    def none_left(self: Causal, batch: Any) -> Any:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(Causal, "loss", none_left)
    with pytest.raises(TrainingFailed, match="--tokens"):
        run(folder, tmp_path)


def test_weights_of_another_method_are_refused(folder: Path, tmp_path: Path) -> None:
    from trivium.tune.checkpoints import restore

    run(folder, tmp_path)
    _, other = run(folder, tmp_path / "other", method="houlsby")
    with pytest.raises(ModelError, match="another method"):
        restore(other, tmp_path / "best" / "trained.safetensors")


def test_lower_layers_may_learn_more_slowly(folder: Path, tmp_path: Path) -> None:
    from trivium.tune.loop import Settings, _groups

    _, attached = run(folder, tmp_path, method="full", settings=Settings(steps=1, batch=8, rate=1e-3))
    rates = {group["lr"] for group in _groups(attached, Settings(rate=1.0, layer_decay=0.5))}
    assert rates == {1.0, 0.5, 0.25}  # the upper layer and the norm, the lower layer, the embeddings


def test_batches_of_an_epoch_hold_every_row_once_and_rows_of_like_length() -> None:
    from trivium.tune.batches import LikeLengths

    lengths = [(number * 37) % 100 + 1 for number in range(1000)]
    sampler = LikeLengths(lengths, 10, seed=1)
    orders = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
        assert sorted(orders[-1]) == list(range(1000))
    assert orders[0] != orders[1]
    spread = [_spread([lengths[row] for row in orders[0][at : at + 10]]) for at in range(0, 1000, 10)]
    assert sum(spread) / len(spread) < 10


def _spread(values: Sequence[int]) -> int:
    return max(values) - min(values)
