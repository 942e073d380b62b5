"""`trivium graph`: on a small knowledge base, since a graph is cheap."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import trivium
from trivium.models.fake import FakeEmbedder
from trivium.types import Document


@pytest.fixture
def place(tmp_path: Path) -> str:
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    kb.add([Document("who.md", "The World Health Organization (WHO) sits in Geneva. WHO met in Berlin.")])
    kb.add([Document("secret.md", "Geneva hides Project Nightjar.")], ["user:ada"])
    return str(tmp_path / "kb")


def test_build_show_export_draw(run, place: str, tmp_path: Path) -> None:
    built = run("graph", "build", "--kb", place, "--json").json
    assert (built["documents"], built["unchanged"], built["chunks"]) == (2, 0, 2)
    assert run("graph", "build", "--kb", place, "--json").json["unchanged"] == 2
    overview = run("graph", "show", "--kb", place, "--json").json
    assert overview["entities"] > 2
    one = run("graph", "show", "who", "--kb", place, "--json").json
    assert one["name"] == "World Health Organization"
    assert {"Geneva", "Berlin"} <= {edge["target"] for edge in one["edges"]}
    page = run("graph", "show", "WHO", "--kb", place).out
    assert "Named in: who.md" in page
    for name in ("graph.json", "graph.graphml", "graph.cypher"):
        assert (
            run("graph", "export", str(tmp_path / name), "--kb", place, "--json").json["nodes"] == overview["entities"]
        )
    assert json.loads((tmp_path / "graph.json").read_text("utf-8"))["edges"]
    assert run("graph", "draw", str(tmp_path / "graph.svg"), "Geneva", "--kb", place).status == 0
    assert "Geneva</text>" in (tmp_path / "graph.svg").read_text("utf-8")


def test_only_what_the_asker_may_read_is_shown_or_written(run, place: str, tmp_path: Path) -> None:
    run("graph", "build", "--kb", place)
    refused = run("graph", "show", "Project Nightjar", "--kb", place)
    assert refused.status == 2
    assert "Nightjar" not in refused.err.replace("'Project Nightjar'", "")
    assert run("graph", "show", "Project Nightjar", "--as", "user:ada", "--kb", place).status == 0
    for asker, seen in (("", False), ("user:ada", True)):
        run("graph", "export", str(tmp_path / "g.json"), "--kb", place, "--as", asker)
        assert ("Nightjar" in (tmp_path / "g.json").read_text("utf-8")) == seen


def test_a_missing_graph_and_a_wrong_ending_are_said(run, place: str, tmp_path: Path) -> None:
    assert "trivium graph build" in run("graph", "show", "--kb", place).err
    run("graph", "build", "--kb", place)
    wrong = run("graph", "export", str(tmp_path / "g.txt"), "--kb", place)
    assert wrong.status == 2
    assert "graphml" in wrong.err


@pytest.mark.parametrize("command", ["build", "show", "export", "draw"])
def test_help_has_an_example(run, command: str) -> None:
    assert f"Example: trivium graph {command}" in run("graph", command, "--help").out
