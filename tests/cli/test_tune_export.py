"""`trivium tune export RUN --to FORM`: one result, and each error with its cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from trivium.cli import tune_export as commands
from trivium.cli.screen import Screen
from trivium.errors import UsageError
from trivium.tune.export import targets
from trivium.tune.export.targets import Exported, Options


def called(*words: str, as_json: bool = False) -> int:
    app = typer.Typer()
    commands.register(app)
    given = [*words, "--json"] if as_json else list(words)
    status = app(args=given, prog_name="trivium", standalone_mode=False, obj=Screen(as_json=as_json))
    return int(status or 0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    def write(place: Path, form: str, out: Path, options: Options) -> Exported:
        found.append((place, form, out, options))
        return Exported(form, out, 1_500_000, {"same_tokens": True, "mean": 0.0123})

    monkeypatch.setattr(targets, "export", write)
    return found


def test_a_model_is_written_and_its_checks_shown(
    calls: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text("one\n\n two \n", "utf-8")
    out = tmp_path / "law.gguf"
    words = ["export", "runs/law", "--to", "gguf", "--out", str(out), "--precision", "f16"]
    assert called(*words, "--texts", str(tmp_path / "texts.txt"), "--base", "b.gguf") == 0
    assert calls == [(Path("runs/law"), "gguf", out, Options("b.gguf", "f16", None, ("one", "two")))]
    shown = capsys.readouterr().out
    assert f"Wrote {out}: 1.5 MB." in shown
    assert "same tokens: yes" in shown
    assert "mean: 0.0123" in shown


def test_json_is_one_object(calls: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("export", "runs/law", "--to", "onnx", "--out", str(tmp_path / "x"), as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "form": "onnx", "path": str(tmp_path / "x"), "bytes": 1_500_000,
        "checks": {"same_tokens": True, "mean": 0.0123},
    }  # fmt: skip


def test_what_is_missing_is_said(calls: list[Any], tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n", "utf-8")
    with pytest.raises(UsageError, match="holds no text"):
        called("export", "r", "--to", "gguf", "--out", "o", "--texts", str(tmp_path / "empty.txt"))
    assert calls == []


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()
    commands.register(app)
    with pytest.raises(SystemExit):
        app(args=["export", "--help"], prog_name="trivium")
    assert "trivium tune export runs/law --to gguf" in " ".join(capsys.readouterr().out.split())
