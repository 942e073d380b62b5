"""A search: the grid and its draws, a choice by validation alone, and what was finished is not done again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.small import write_reviews  # noqa: E402

from trivium.errors import TrainingFailed, UnknownName, UsageError  # noqa: E402
from trivium.tune import run as runs  # noqa: E402
from trivium.tune.run import Plan  # noqa: E402
from trivium.tune.runs import list_runs  # noqa: E402
from trivium.tune.search import search, trials_of  # noqa: E402

SPACE = {"rank": (2, 4), "rate": (1e-3, 3e-2)}


@pytest.fixture(scope="module")
def plan(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    source = shared_data / "classify/SST2/train.tsv"
    data, encoder = write_reviews(tmp_path_factory.mktemp("base"), source, 100)
    training = {"steps": 4, "batch": 16, "rate": 1e-3, "every": 2}
    return Plan(str(data), base=str(encoder), longest=64, training=training)


@pytest.fixture(scope="module")
def found(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    folder = tmp_path_factory.mktemp("searches") / "one"
    said: list[str] = []
    report = search(plan, SPACE, folder, on_trial=lambda trial, at, of: said.append(f"{at}/{of} {trial.name}"))
    return folder, dict(report), said


def test_the_grid_has_every_combination_once() -> None:
    trials = trials_of(Plan("x"), {"rank": (4, 8), "rate": (1e-4, 5e-4), "epochs": (1, 2, 3)})
    assert [trial.number for trial in trials] == list(range(1, 13))
    assert len({tuple(trial.settings.values()) for trial in trials}) == len({trial.name for trial in trials}) == 12
    assert [trial.settings["epochs"] for trial in trials[:3]] == [1, 2, 3]
    last = trials[-1]
    assert last.plan.settings == {"rank": 8}
    assert last.plan.training == {"rate": 5e-4, "epochs": 3}
    assert last.name == "12-rank8-rate0.0005-epochs3"


def test_a_draw_is_of_the_grid_and_the_seed_repeats_it() -> None:
    space = {"rank": tuple(range(1, 101)), "rate": tuple(one / 1000 for one in range(1, 101))}
    drawn = [
        [trial.name for trial in trials_of(Plan("x", training={"seed": seed}), space, most=7)] for seed in (0, 0, 1)
    ]
    assert len(set(drawn[0])) == 7
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(trials_of(Plan("x"), {"rank": (1, 2)}, most=9)) == 2


def test_a_setting_of_the_method_comes_before_one_of_the_training() -> None:
    (trial,) = trials_of(Plan("x", method="adalora"), {"warmup": (0.2,)})
    assert trial.plan.settings == {"warmup": 0.2}
    assert trial.plan.training == {}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "nothing to search"),
        ({"rang": (1,)}, "no setting to search named 'rang'"),
        ({"rate": ("high",)}, "rate=high is no number"),
        ({"schedule": ("square",)}, "no schedule named 'square'"),
    ],
)
def test_what_cannot_be_searched_is_refused(space: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        trials_of(Plan("x"), space)


def test_epochs_beside_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="epochs change nothing"):
        trials_of(Plan("x", training={"steps": 5}), {"epochs": (1, 2)})
    with pytest.raises(UnknownName, match="no method named"):
        trials_of(Plan("x", method="lorra"), {"rank": (1,)})


def test_validation_alone_chooses(found: tuple[Path, dict[str, Any], list[str]]) -> None:
    folder, report, said = found
    rows = report["search"]["trials"]
    assert said == [f"{at}/4 {row['name']}" for at, row in enumerate(rows, 1)]
    best = max(row["score"] for row in rows)
    assert report["search"]["winner"] == next(row["name"] for row in rows if row["score"] == best)
    assert report["best"]["score"] == best
    for row in rows:
        trial = json.loads((folder / "trials" / row["name"] / "report.json").read_text("utf-8"))
        assert "test" not in trial, "the test part is scored for the winner alone"
        assert trial["best"]["score"] == row["score"]
        assert not (folder / "trials" / row["name"] / "final.md").exists()
        assert not (folder / "trials" / row["name"] / "checkpoints").exists()
    assert report["test"]["accuracy"]["mean"] >= 0
    assert "majority class" in report["against"]


def test_the_folder_of_a_search_is_the_winners_run(found: tuple[Path, dict[str, Any], list[str]]) -> None:
    from safetensors.torch import load_file

    from trivium.tune.export.source import find_source, open_source

    folder, report, _ = found
    winner = folder / "trials" / report["search"]["winner"]
    rank = next(row["settings"]["rank"] for row in report["search"]["trials"] if row["name"] == winner.name)
    (weights,) = (folder / "adapter").glob("*.safetensors")
    assert weights.read_bytes() == (winner / "adapter" / weights.name).read_bytes()
    assert any(tensor.shape[0] == rank for name, tensor in load_file(weights).items() if "lora_A" in name)
    _, attached = open_source(find_source(folder))
    assert attached.settings["rank"] == rank
    assert (folder / "history.jsonl").read_bytes() == (winner / "history.jsonl").read_bytes()
    card = (folder / "adapter" / "README.md").read_text("utf-8")
    assert f"Validation accuracy {report['best']['score']:.4f}" in card
    assert [row["run"] for row in list_runs(folder.parent)] == [str(folder)]
    assert len(list_runs(folder)) == 5


def test_the_scores_of_the_test_part_are_those_of_a_plain_run(
    plan: Plan, found: tuple[Path, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    _, report, _ = found
    winner = next(trial for trial in trials_of(plan, SPACE) if trial.name == report["search"]["winner"])
    plain = runs.tune(winner.plan, tmp_path / "plain")
    assert plain["test"] == report["test"]
    assert plain["loss"] == pytest.approx(report["loss"], abs=1e-5)


def test_a_search_that_was_cut_does_no_trial_again(
    plan: Plan, found: tuple[Path, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    """It stops in the third trial, and goes on there; the end is that of a search that nobody touched."""
    steps: list[int] = []
    said: list[str] = []
    first = search(
        plan, SPACE, tmp_path, on_progress=lambda at: steps.append(at.step), stop=lambda: len(steps) >= 4 + 4 + 1
    )
    assert first["stopped"] == "asked"
    assert len(first["search"]["trials"]) == 2
    with pytest.raises(UsageError, match="--resume"):
        search(plan, SPACE, tmp_path)
    with pytest.raises(UsageError, match="other settings"):
        search(plan, {**SPACE, "rank": (2, 8)}, tmp_path, resume=True)
    report = search(
        plan, SPACE, tmp_path, resume=True, on_progress=lambda at: steps.append(at.step),
        on_trial=lambda trial, at, of: said.append(trial.name),
    )  # fmt: skip
    assert steps == [1, 2, 3, 4] * 4
    assert said == [row["name"] for row in report["search"]["trials"]][2:]
    scores = [[row["score"] for row in one["search"]["trials"]] for one in (report, found[1])]
    assert scores[0] == pytest.approx(scores[1])
    assert search(plan, SPACE, tmp_path, resume=True, on_progress=lambda at: steps.append(0)) == report
    assert 0 not in steps


def test_a_trial_that_diverges_is_a_row_and_the_rest_goes_on(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trivium.tune.objectives.classify import Classify

    plain = Classify.loss

    def broken(self: Any, batch: Any) -> Any:
        loss, terms = plain(self, batch)
        return loss * (float("nan") if self._attached.settings["rank"] == 2 else 1.0), terms

    monkeypatch.setattr(Classify, "loss", broken)
    report = search(plan, {"rank": (2, 4)}, tmp_path / "one")
    bad, good = report["search"]["trials"]
    assert "diverged" in bad["problem"]
    assert bad["score"] is None
    assert report["search"]["winner"] == good["name"]
    with pytest.raises(TrainingFailed, match="None of 1 trials"):
        search(plan, {"rank": (2,)}, tmp_path / "two")


def test_a_plan_that_cannot_be_carried_out_begins_no_search(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no-such-model"):
        search(replace(plan, base="no-such-model"), SPACE, tmp_path)
    assert not (tmp_path / "run.json").exists()
    search(plan, {"rank": (2,)}, tmp_path)
