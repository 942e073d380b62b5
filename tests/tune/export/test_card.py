"""The card says what the run says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trivium.errors import UsageError

pytest.importorskip("torch", reason="the extra 'tune' is not installed")

from trivium.tune.export.card import card_text, licence_of, write_card


def test_a_finished_run_gets_a_card_with_its_own_figures(finished: Path) -> None:
    text = write_card(finished).read_text("utf-8")
    report = json.loads((finished / "report.json").read_text("utf-8"))
    assert (finished / "adapter" / "README.md").is_file()
    assert f"| Trained parameters | {report['parameters']:,} |" in text
    for name, score in report["test"].items():
        assert f"| {name} | {score['mean']:.4f}" in text
    assert "| Training set | dialogues.json |" in text
    assert "LoRA (Hu et al. 2021, arXiv:2106.09685)" in text
    assert "not stated: see the base model's publisher" in text
    assert "trivium export RUN --to gguf" in text
    assert text.startswith("---\nbase_model: ")


def test_scores_stand_beside_those_of_the_base(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text("utf-8"))
    report = json.loads((finished / "report.json").read_text("utf-8"))
    report["test"] = {"f1": {"mean": 0.5, "low": 0.4, "high": 0.6}}
    report["against"] = {"base": {"f1": {"mean": 0.25, "low": 0.125, "high": 0.375}}}
    text = card_text(record, report, {}, name="law")
    assert "| test | tuned | base |\n|---|---|---|\n" in text
    assert "| f1 | 0.5000 [0.4000, 0.6000] | 0.2500 [0.1250, 0.3750] |" in text


def test_a_run_without_an_end_gets_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not finished"):
        write_card(tmp_path)


def test_a_method_that_does_not_merge_promises_no_merged_model(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text("utf-8"))
    report = json.loads((finished / "report.json").read_text("utf-8"))
    record["settings"]["plan"]["method"] = "prefix"
    text = card_text(record, report, {}, name="a|b")
    assert "--to gguf" not in text
    assert "Prefix tuning (Li and Liang 2021, arXiv:2101.00190)" in text


def test_licences_come_from_where_they_are_stated(tmp_path: Path) -> None:
    from trivium.models.gguf import write_gguf

    assert licence_of("smollm2-135m-instruct") == "Apache-2.0"
    (tmp_path / "README.md").write_text("---\nlicense: mit\ntags: [x]\n---\n# A model\nlicense: none\n", "utf-8")
    assert licence_of(str(tmp_path)) == "mit"
    write_gguf(tmp_path / "a.gguf", {"general.architecture": "llama", "general.license": "cc-by-4.0"}, {})
    assert licence_of(str(tmp_path / "a.gguf")) == "cc-by-4.0"
    assert licence_of("unknown/model") == ""
