"""`trivium evaluate --judge` on real questions, real documents and real models, as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trivium.models.chat import EMBEDDED, open_chat

pytestmark = pytest.mark.real
METRICS = ("faithfulness", "citation_recall")
ASKED = 4


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TRIVIUM_KB")}
    command = [sys.executable, "-m", "trivium", *arguments, "--json"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


@pytest.fixture(scope="module")
def place(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `set/`: the knowledge base and the questions of two real paragraphs of XQuAD."""
    folder = tmp_path_factory.mktemp("judge")
    published = json.loads((shared_data / "xquad" / "xquad.en.json").read_text("utf-8"))
    article = published["data"][0]
    part = {**published, "data": [{**article, "paragraphs": article["paragraphs"][:2]}]}
    (folder / "xquad.json").write_text(json.dumps(part), "utf-8")
    made = run(folder, "bench-set", "set", "xquad.json")
    assert made["questions"] >= ASKED
    return folder


def test_the_embedded_model_judges_a_run(place: Path) -> None:
    command = ("evaluate", "set/questions.jsonl", "--kb", "set/kb", "--limit", str(ASKED), "--out", "run")
    judged = (*command, "--judge", EMBEDDED, "--judge-metrics", ",".join(METRICS))
    found = run(place, *judged)
    assert found["questions"] == ASKED
    rows = [json.loads(line) for line in (place / "run/results.jsonl").read_text("utf-8").splitlines()]
    for name in METRICS:
        given = [row["scores"][f"judge_{name}"] for row in rows if row["scores"][f"judge_{name}"] is not None]
        figure = found["metrics"][f"judge_{name}"]
        assert figure["n"] == len(given) > 0
        assert all(0 <= value <= 1 for value in given)
        assert figure["mean"] == pytest.approx(sum(given) / len(given))
        without = found["metrics"][name]  # applies to the same answers, but for those that the judge failed on
        assert without["n"] - found["judge_failures"] <= figure["n"] <= without["n"]
    assert found["judge_failures"] == sum(row["judge_failures"] for row in rows)
    record = json.loads((place / "run/run.json").read_text("utf-8"))
    assert record["settings"]["judge"] == {"model": open_chat(EMBEDDED).name, "metrics": list(METRICS)}
    assert "judge_faithfulness" in (place / "run/report.html").read_text("utf-8")

    again = run(place, *judged)
    assert again["metrics"] == found["metrics"]  # nothing is judged twice: the answers stand in the folder
    assert len((place / "run/results.jsonl").read_text("utf-8").splitlines()) == ASKED


def test_a_judge_is_calibrated_on_labels_of_people(shared_data: Path, place: Path) -> None:
    claims = json.loads((shared_data / "beir" / "beir_scifact_test.json").read_text("utf-8"))
    rows = []
    for row in claims:
        for paragraph in row["paragraphs"]:
            labels = {one["label"] for one in row["metadata"].get(str(paragraph.get("idx", "")), ())}
            if len(labels) == 1:
                label = labels == {"SUPPORT"}
                rows.append({"question": "", "answer": row["text"], "passages": [paragraph["text"]], "label": label})
    good = [row for row in rows if row["label"]][:2]
    bad = [row for row in rows if not row["label"]][:2]
    (place / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in good + bad), "utf-8")
    found = run(place, "judge", "calibrate", "labels.jsonl", "--judge", EMBEDDED)
    assert found["labelled"] + found["without_verdict"] == 4
    assert found["judge_failures"] >= found["without_verdict"]
    assert -1 <= found["kappa"]["low"] <= found["kappa"]["mean"] <= found["kappa"]["high"] <= 1
