from __future__ import annotations

from pathlib import Path

import pytest

from trivium.errors import ModelNotFound
from trivium.models import pull
from trivium.models.chat import EMBEDDED, shipped_adapters
from trivium.models.pull import InstalledModel
from trivium.models.rerank import LATE


@pytest.fixture
def one_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = InstalledModel("all-minilm-l6-v2", "embedding", Path("/home/m"), "the package index", 91_000_000)
    monkeypatch.setattr(pull, "installed", lambda: [model])


def test_models(run, one_installed: None) -> None:
    out = run("models").out
    assert "all-minilm-l6-v2" in out
    assert "91 MB" in out
    assert "not here: trivium pull" in out
    found = run("models", "--json").json
    assert set(found["models"][0]) == {"name", "role", "about", "path", "source", "bytes"}
    assert found["missing"] == ["smollm2-135m-instruct"]


def test_what_ships_is_listed_and_can_be_chosen(run, one_installed: None) -> None:
    rows = {row["name"]: row for row in run("models", "--json").json["models"]}
    adapter, late = rows["smollm2-135m-instruct-grounded"], rows["late"]
    assert adapter["role"] == "chat (adapter)"
    assert adapter["bytes"] == Path(adapter["path"]).stat().st_size > 1_000_000
    assert late["role"] == "reranking"
    assert late["bytes"] == 0
    # What it says of itself begins with the option that takes it.
    assert adapter["about"].startswith(f"--chat {EMBEDDED}-{next(iter(shipped_adapters()))}:")
    assert late["about"].startswith(f"--reranker {LATE}:")
    shown = run("models").out
    assert "7 MB" in shown
    assert "ships with Trivium" in shown


def test_pull(run, monkeypatch) -> None:
    asked: list[object] = []

    def fake(names, *, origins, progress) -> list[Path]:
        asked.append((names, list(origins)))
        progress("m", 1, 2)
        return [Path("/home/m")]

    monkeypatch.setattr(pull, "pull", fake)
    assert run("pull", "--json").json == {"paths": ["/home/m"]}
    assert "Here and checked: /home/m" in run("pull", "smollm2-135m-instruct", "--from", "a.whl").out
    assert asked == [(None, []), (["smollm2-135m-instruct"], [Path("a.whl")])]


def test_pull_offline_says_the_ways(run, monkeypatch) -> None:
    def fail(names, *, origins, progress) -> list[Path]:
        raise ModelNotFound("m is not here.", "Give it with --from.")

    monkeypatch.setattr(pull, "pull", fail)
    done = run("pull")
    assert (done.status, done.err) == (1, "Error: m is not here. Give it with --from.\n")
