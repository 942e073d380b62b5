"""A run of the abilities in a folder, its charts, and the command that shows it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.evaluate.abilities_data import careful, reader_of

from trivium.cli.abilities import run_abilities
from trivium.cli.screen import Screen
from trivium.errors import RemoteError, UnknownName, UsageError
from trivium.evaluate.abilities.plot import bars, charts, standalone
from trivium.evaluate.abilities.run import FIGURES, measured_in, read_files
from trivium.evaluate.abilities.values import Measured
from trivium.models import chat, embed
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.types import Answer, Score


@pytest.fixture
def files(shared_data: Path, tmp_path: Path) -> list[Path]:
    """The first lines of RGB's files and of NQ-Swap, with the NQ-open that has its true answers."""
    found = []
    for name in ("zh_refine", "zh_int", "en_fact"):
        source = shared_data / "rgb" / f"{name}.json"
        if not source.is_file():
            pytest.skip(f"no {source}")
        path = tmp_path / source.name
        path.write_text("\n".join(source.read_text("utf-8").splitlines()[:6]) + "\n", "utf-8")
        found.append(path)
    conflict = tmp_path / "swap.json"
    rows = json.loads((shared_data / "conflict" / "nq-swap_dev.json").read_text("utf-8"))[:6]
    conflict.write_text(json.dumps(rows))
    return [*found, conflict, shared_data / "nq" / "NQ-open.dev.jsonl"]


def test_every_ability_of_the_files_is_measured_and_kept(files: list[Path], tmp_path: Path) -> None:
    sets = read_files(files)
    by_question = {case.question: reader_of(cases, careful) for cases in sets for case in cases.cases}
    calls = []

    def read(question: str, passages: Sequence[str]) -> Answer:
        calls.append(question)
        return by_question[question](question, passages)

    folder = tmp_path / "run"
    report = measured_in(folder, sets, read, settings={"reader": "made"})
    assert {one.ability for one in report.figures} == {
        "noise", "rejection", "integration", "counterfactual", "conflict", "position"
    }  # fmt: skip
    assert report.asked == len(calls)
    truths = next(
        one for one in report.figures if (one.ability, one.metric, one.arm) == ("conflict", "accuracy", "none")
    )
    assert truths.score.n >= 5
    kept = json.loads((folder / FIGURES).read_text("utf-8"))
    assert len(kept["figures"]) == len(report.figures)
    assert all(one["mean"] is None or 0 <= one["low"] <= one["high"] or one["metric"] in ("drop", "middle")
               for one in kept["figures"])  # fmt: skip
    for name in ("noise", "rejection", "integration", "counterfactual", "position"):
        ElementTree.parse(folder / f"{name}.svg")
    again = measured_in(folder, sets, read, settings={"reader": "made"})
    assert again.asked == 0
    assert repr(again.figures) == repr(report.figures)
    with pytest.raises(UsageError, match="other settings"):
        measured_in(folder, sets, read, settings={"reader": "another"})


def test_a_dead_reader_leaves_a_run_that_goes_on(files: list[Path], tmp_path: Path) -> None:
    sets = read_files(files[:1])
    good = reader_of(sets[0], careful)
    calls = []

    def dies(question: str, passages: Sequence[str]) -> Answer:
        calls.append(question)
        if len(calls) > 20:
            raise RemoteError("The endpoint is gone.")
        return good(question, passages)

    folder = tmp_path / "run"
    with pytest.raises(RemoteError):
        measured_in(folder, sets, dies, settings={})
    assert json.loads((folder / "run.json").read_text())["complete"] is False
    assert not (folder / FIGURES).exists()
    whole = measured_in(tmp_path / "whole", sets, good, settings={})
    rest = measured_in(folder, sets, good, settings={})
    assert rest.asked == whole.asked - 20
    assert repr(rest.figures) == repr(whole.figures)


def test_files_of_one_name_are_told_apart(files: list[Path], tmp_path: Path) -> None:
    assert [cases.name for cases in read_files([files[0], files[0]])] == ["zh_refine", "zh_refine#2"]


def test_files_that_are_for_nothing(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one passage"):
        read_files([files[-1]])  # NQ-open alone: no passages, and nothing that wants its answers
    empty = tmp_path / "empty.json"
    empty.write_text("")
    with pytest.raises(UsageError, match="empty"):
        read_files([empty])
    with pytest.raises(UsageError, match="no file"):
        read_files([tmp_path / "missing.json"])
    with pytest.raises(UnknownName, match="noise"):
        read_files(files[:1], only=["noises"])


SCORES = [(0.0, Score(0.8, 0.7, 0.9, 50)), (0.4, Score(0.5, 0.4, 0.6, 50)), (0.8, Score(0.2, 0.1, 0.3, 50))]


def test_a_curve_passes_through_its_figures() -> None:
    measured = [Measured("noise", "a <set>", "en", "accuracy", score, at) for at, score in SCORES]
    found = charts(measured)
    assert list(found) == ["noise"]
    tree = ElementTree.fromstring(standalone(found["noise"], "Noise & robustness"))
    line = next(one for one in tree.iter() if one.tag.endswith("polyline"))
    points = [tuple(map(float, point.split(","))) for point in line.get("points", "").split()]
    assert len(points) == 3
    (_, top), (_, middle), (_, bottom) = points
    assert (middle - top) / (bottom - top) == pytest.approx(0.3 / 0.6, abs=0.01)
    assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_a_bar_is_as_high_as_its_figure() -> None:
    svg = bars({"one": {"x": Score(0.25, 0.2, 0.3, 9), "y": Score(1.0, 0.9, 1.0, 9)}}, y_label="share")
    tree = ElementTree.fromstring(svg)
    heights = [float(one.get("height", "nan")) for one in tree.iter("rect") if one.find("title") is not None]
    assert heights[0] / heights[1] == pytest.approx(0.25, abs=0.01)
    assert "0.25 (0.2 to 0.3, n=9)" in svg


def test_nothing_measured_draws_nothing() -> None:
    assert charts([Measured("rejection", "a", "en", "rejection", Score(math.nan, math.nan, math.nan, 0))]) == {}


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> FakeChat:
    model = FakeChat("The documents do not say.", name="fake-7B")
    monkeypatch.setattr(chat, "open_chat", lambda spec, parallel=1: model)
    monkeypatch.setattr(embed, "open_embedder", lambda spec: FakeEmbedder(32))
    monkeypatch.setattr("trivium.cli.progress.fetch_defaults", lambda screen, roles: None)
    return model


def emitted(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(screen, "emit", found.append)
    return found


def test_the_command_prints_one_object(
    files: list[Path], tmp_path: Path, fakes: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(as_json=True)
    found = emitted(screen, monkeypatch)
    assert run_abilities(screen, files[:1], reader="naive", limit=3, out=tmp_path / "run") == 0
    (one,) = found
    json.loads(json.dumps(one, allow_nan=False))
    assert one["questions"] == 3
    rejection = next(figure for figure in one["abilities"] if figure["metric"] == "rejection")
    assert rejection["mean"] == 1.0  # it always refuses
    assert rejection["n"] == 3
    assert one["run"] == str(tmp_path / "run")


def test_the_command_shows_tables_and_reports_bad_lines(
    files: list[Path], tmp_path: Path, fakes: FakeChat, capsys: pytest.CaptureFixture[str]
) -> None:
    with files[2].open("a", encoding="utf-8") as file:
        file.write('{"query": "torn\n')
    screen = Screen()
    assert run_abilities(screen, [files[2]], reader="naive", out=tmp_path / "run") == 1
    out, err = capsys.readouterr()
    assert "Counterfactual robustness" in out
    assert "no passages" in out
    assert "en_fact.json:7" in err
    assert str(tmp_path / "run") in out.replace("\n", "")


def test_the_command_refuses_what_cannot_be(files: list[Path], tmp_path: Path, fakes: FakeChat) -> None:
    with pytest.raises(UsageError, match="No file"):
        run_abilities(Screen(), [])
    with pytest.raises(UnknownName, match="instructed"):
        run_abilities(Screen(), files[:1], reader="nobody", out=tmp_path / "run")
    with pytest.raises(UsageError, match="limit of 0"):
        run_abilities(Screen(), files[:1], reader="naive", limit=0, out=tmp_path / "run")
    assert fakes.calls == []
