"""A run from data to adapter: what its folder holds, how it is gone on with, and what is known before it starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.small import write_reviews  # noqa: E402

from trivium.errors import StoreBusy, UsageError  # noqa: E402
from trivium.evaluate import record as records  # noqa: E402
from trivium.tune.run import Before, Plan, look, parts_of, tune  # noqa: E402

TRAINING = {"steps": 6, "batch": 8, "rate": 1e-2, "every": 3}


@pytest.fixture(scope="module")
def plan(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The first 80 reviews of a real file, and a small encoder whose words are theirs."""
    source = shared_data / "classify/SST2/train.tsv"
    data, encoder = write_reviews(tmp_path_factory.mktemp("base"), source, 80)
    return Plan(str(data), base=str(encoder), longest=128, training=TRAINING)


@pytest.fixture(scope="module")
def finished(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[Before]]:
    folder = tmp_path_factory.mktemp("runs") / "one"
    told: list[Before] = []
    report = tune(plan, folder, before=told.append, command=("trivium", "tune", "reviews.tsv"))
    return folder, dict(report), told


def test_a_finished_run_holds_what_repeats_it(plan: Plan, finished: tuple[Path, dict[str, Any], list[Before]]) -> None:
    folder, report, _ = finished
    record = json.loads((folder / "run.json").read_text("utf-8"))
    assert record["complete"] is True
    assert record["command"] == ["trivium", "tune", "reviews.tsv"]
    assert record["settings"]["plan"]["training"] == TRAINING
    assert record["settings"]["plan"]["data"] == plan.data
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text("utf-8").splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in rows if "validation_accuracy" in row] == [3, 6]
    assert json.loads((folder / "report.json").read_text("utf-8")) == report
    assert report["best"]["score"] == max(row.get("validation_accuracy", 0) for row in rows)
    assert report["loss"] == rows[-1]["loss"]
    assert (folder / "adapter" / "adapter.json").is_file()
    assert "reviews.tsv" in (folder / "adapter" / "README.md").read_text("utf-8")
    assert (folder / "final.md").is_file()
    assert "majority class" in report["against"]
    assert 0 <= report["test"]["accuracy"]["low"] <= report["test"]["accuracy"]["high"] <= 1


def test_the_curve_is_a_picture(finished: tuple[Path, dict[str, Any], list[Before]]) -> None:
    pytest.importorskip("matplotlib")
    assert (finished[0] / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_adapter_gives_the_scores_of_the_report(
    plan: Plan, finished: tuple[Path, dict[str, Any], list[Before]]
) -> None:
    """What was saved, on the base opened anew, scores on the validation part as the best checkpoint did."""
    from trivium.tune.export.source import find_source, open_source
    from trivium.tune.objectives import Options, objective_for

    folder, report, _ = finished
    opened, attached = open_source(find_source(folder))
    parts = parts_of(plan)
    objective = objective_for("labelled", opened, attached, parts.train.samples, Options(longest=128))
    assert objective.scores(parts.validation)["accuracy"] == pytest.approx(report["best"]["score"])


def test_what_is_known_before_is_true(plan: Plan, finished: tuple[Path, dict[str, Any], list[Before]]) -> None:
    _, report, told = finished
    (known,) = told
    assert known.task == "classify"
    assert known.sizes == report["samples"]
    assert sum(known.sizes.values()) == 80 - sum(known.notes.values())
    assert known.trained_tokens == known.sizes["train"] < known.tokens
    assert 0 < known.share < 1
    assert report["parameters"] == known.parameters
    assert "⟦" in known.preview
    assert known.memory["total"] > known.memory["weights"] > 0


def test_a_look_writes_nothing_and_a_run_can_follow_it(plan: Plan, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    known = look(plan)
    assert known.sizes["train"] > 0
    assert list(tmp_path.iterdir()) == []
    assert tune(replace(plan, training={**TRAINING, "steps": 1}), tmp_path / "run")["steps"] == 1


def test_a_second_run_in_the_folder_is_refused_and_a_resumed_one_is_done(
    plan: Plan, finished: tuple[Path, dict[str, Any], list[Before]]
) -> None:
    folder, report, told = finished
    with pytest.raises(UsageError, match=r"already holds this run\. Go on with it with --resume"):
        tune(plan, folder)
    stamp = (folder / "adapter" / "adapter.json").stat().st_mtime_ns
    assert tune(plan, folder, resume=True, before=told.append) == report
    assert (folder / "adapter" / "adapter.json").stat().st_mtime_ns == stamp
    assert len(told) == 1


def test_other_settings_are_refused_by_name(plan: Plan, finished: tuple[Path, dict[str, Any], list[Before]]) -> None:
    other = replace(plan, training={**TRAINING, "rate": 0.5})
    with pytest.raises(UsageError, match=r"plan\.training\.rate: 0\.01, now 0\.5"):
        tune(other, finished[0], resume=True)


def test_data_that_changed_is_another_run(plan: Plan, finished: tuple[Path, dict[str, Any], list[Before]]) -> None:
    data = Path(plan.data)
    before = data.read_text("utf-8")
    try:
        data.write_text(before + before.splitlines(keepends=True)[1].replace(" ", "  "), "utf-8")
        with pytest.raises(UsageError, match="data: "):
            tune(plan, finished[0], resume=True)
    finally:
        data.write_text(before, "utf-8")


def test_a_stopped_run_goes_on_to_the_same_end(
    plan: Plan, finished: tuple[Path, dict[str, Any], list[Before]], tmp_path: Path
) -> None:
    _, report, _ = finished
    steps: list[int] = []
    first = tune(plan, tmp_path, on_progress=lambda at: steps.append(at.step), stop=lambda: len(steps) >= 2)
    assert first["stopped"] == "asked"
    assert "test" not in first
    assert not (tmp_path / "report.json").exists()
    assert records.read(tmp_path).complete is False
    second = tune(plan, tmp_path, resume=True, on_progress=lambda at: steps.append(at.step))
    assert steps == [1, 2, 3, 4, 5, 6]
    assert second["loss"] == pytest.approx(report["loss"], abs=1e-4)
    assert second["test"]["accuracy"] == report["test"]["accuracy"]
    assert len(records.read(tmp_path).sessions) == 2


def test_another_process_in_the_folder_is_told_of(plan: Plan, tmp_path: Path) -> None:
    with records.holding(tmp_path / "run"), pytest.raises(StoreBusy, match="Another process"):
        tune(plan, tmp_path / "run")


def test_samples_that_are_too_long_are_counted(plan: Plan) -> None:
    known = look(replace(plan, longest=12))
    assert known.cut > 0
    assert known.cut == sum(
        len(tokens) > 12 for tokens in _tokens(plan, [sample.text for sample in parts_of(plan).train.samples])
    )


def _tokens(plan: Plan, texts: list[str]) -> list[list[int]]:
    import transformers

    return transformers.AutoTokenizer.from_pretrained(plan.base)(texts, verbose=False)["input_ids"]


def test_parts_are_drawn_from_one_file_or_named(plan: Plan, tmp_path: Path) -> None:
    rows = Path(plan.data).read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "test.tsv").write_text("".join(rows[:10]), "utf-8")
    parts = parts_of(replace(plan, test=str(tmp_path / "test.tsv")))
    held = {sample.text for sample in parts.test}
    assert len(held) == 10
    assert not held & {sample.text for sample in (*parts.train.samples, *parts.validation)}
    assert len(parts_of(replace(plan, limit=20)).train.samples) < 20


def test_queries_with_passages_are_sent_to_their_own_command(shared_data: Path, tmp_path: Path) -> None:
    row = {"query": "who", "pos": ["a passage"], "neg": ["another passage"]}
    (tmp_path / "triples.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    with pytest.raises(UsageError, match="trivium tune embedder"):
        parts_of(Plan(str(tmp_path / "triples.jsonl")))
