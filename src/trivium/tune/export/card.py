"""A model card, README.md: what was tuned on what and how, what it scores, under which licence, and how to use it.

Mitchell et al. 2019, Model Cards for Model Reporting (arXiv:1810.03993). Everything on it is read from the run:
`run.json`, `report.json` and the adapter's own `adapter.json`. What the run does not say, the card says is not known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.index.durable import read_json, write_whole
from trivium.models.catalogue import catalogue
from trivium.models.gguf import metadata_items
from trivium.tune.bases import EMBEDDED
from trivium.tune.methods import METHODS
from trivium.tune.methods.base import TASKS

CARD = "README.md"
_UNKNOWN = "not stated: see the base model's publisher"


def write_card(run: Path) -> Path:
    """Write the card of a finished run into its adapter's folder, and return the file.

    Raises:
        UsageError: the run has no adapter or no report: it was not finished.
    """
    adapter = run / "adapter"
    report = read_json(run / "report.json")
    record = read_json(run / "run.json")
    if not report or not record or not adapter.is_dir():
        raise UsageError(f"The run {run} is not finished.", f"Go on with it: trivium tune ... --resume --out {run}")
    file = adapter / CARD
    write_whole(file, card_text(record, report, read_json(adapter / "adapter.json"), name=run.name))
    return file


def card_text(record: Mapping[str, Any], report: Mapping[str, Any], adapter: Mapping[str, Any], *, name: str) -> str:
    """Return the card as Markdown, with the fields that model hubs read at its top."""
    plan = record["settings"]["plan"]
    task = str(report["task"])
    base = str(plan["base"]) or EMBEDDED.get(task, "all-minilm-l6-v2")
    licence = licence_of(base)
    method = METHODS.get(str(plan["method"]))
    title = f"{method.title} ({method.paper})" if method else str(plan["method"])
    head = {"base_model": base, "library_name": "trivium", "tags": [str(plan["method"]), task]}
    if licence:
        head["license"] = licence.lower()
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in head.items()), "---", "", f"# {name}", ""]
    lines += [f"{base} tuned by {title} for {TASKS.get(task, task)}.", ""]
    lines += _table(
        "What it is",
        {
            "Base model": base,
            "Task": task,
            "Labels": ", ".join(adapter.get("labels") or ()),
            "Method": title,
            "Settings of the method": _flat(adapter.get("settings") or plan["settings"]),
            "Trained parameters": f"{int(report['parameters']):,}",
            "Licence": f"{licence} (of the base model)" if licence else _UNKNOWN,
        },
    )
    lines += _table(
        "Data",
        {
            "Training set": Path(str(plan["data"])).name,
            "Fingerprint of the data": str(record["settings"].get("data", "")),
            "Validation": Path(plan["validation"]).name if plan["validation"] else "5% of it, by group",
            "Test": Path(plan["test"]).name if plan["test"] else "10% of it, by group, never trained on",
            "Longest sample": f"{plan['longest']} tokens",
            "Licence": "not recorded: that of the data's owner holds",
        },
    )
    lines += _table("Training", _training(plan, report, record))
    lines += _scores(report)
    lines += ["## How to use it", "", *_usage(task, bool(method and method.mergeable)), ""]
    lines += [
        "## Limits",
        "",
        "It was scored on the test samples named above and on nothing else. What the base model does wrongly, this "
        "may do too; on texts unlike its training data it can be worse than the base.",
        "",
    ]
    return "\n".join(lines)


def licence_of(base: str) -> str:
    """Return the licence of a base model, from the table of known models, its GGUF file or its card; "" if unknown."""
    known = catalogue().get(base.lower())
    if known is not None:
        return known.licence
    path = Path(base).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        for key, value in metadata_items(path):
            if key == "general.license":
                return str(value)
            if key.startswith("tokenizer."):
                break
        return ""
    readme = path / CARD
    if readme.is_file():
        top = readme.read_text("utf-8", "replace").split("---")[1:2]
        for line in top[0].splitlines() if top else ():
            key, _, value = line.partition(":")
            if key.strip() == "license":
                return value.strip().strip("\"'")
    return ""


def _training(plan: Mapping[str, Any], report: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, str]:
    training = plan["training"]
    machine = record.get("machine", {})
    rows = {name.replace("_", " ").capitalize(): _flat(value) for name, value in training.items()}
    rows |= {
        "Steps taken": f"{int(report['steps']):,}" + (f" (stopped: {report['stopped']})" if report["stopped"] else ""),
        "Seconds of training": f"{report['seconds']:,.0f}",
        "Tokens per second": f"{report['tokens_per_second']:,.0f}",
        "Machine": f"{machine.get('system', '')}, {machine.get('cores', '?')} cores".strip(", "),
        "Trivium": str(record["settings"].get("trivium", "")),
        "Command": f"`{' '.join(record.get('command') or ())}`" if record.get("command") else "",
    }
    return rows


def _scores(report: Mapping[str, Any]) -> list[str]:
    best, test, against = report.get("best") or {}, report.get("test") or {}, report.get("against") or {}
    lines = ["## Scores", ""]
    if best.get("score") is not None:
        lines += [f"Validation {best['measure']} {best['score']:.4f}, at step {best['step']}.", ""]
    if test:
        lines += [f"| test | tuned |{''.join(f' {name} |' for name in against)}", "|---" * (2 + len(against)) + "|"]
        for name, value in test.items():
            others = "".join(f" {_score(scores.get(name))} |" for scores in against.values())
            lines.append(f"| {name} | {_score(value)} |{others}")
        lines.append("")
    if report.get("verdict"):
        lines += [_cell(_flat(report["verdict"])), ""]
    if len(lines) == 2:
        lines += ["There was no validation and no test part: nothing was measured.", ""]
    return lines


def _score(value: Any) -> str:
    """A score with its interval, where the report has one."""
    if isinstance(value, Mapping) and value.get("mean") is not None:
        between = [value.get("low"), value.get("high")]
        shown = "" if None in between else f" [{between[0]:.4f}, {between[1]:.4f}]"
        return f"{value['mean']:.4f}{shown}"
    return f"{value:.4f}" if isinstance(value, int | float) else "-"


def _usage(task: str, mergeable: bool) -> list[str]:
    lines = ["```sh"]
    if mergeable:
        lines.append("trivium export RUN --to merged --out model/      # one Transformers folder")
    if task == "causal":
        if mergeable:
            lines.append("trivium export RUN --to gguf --out model.gguf    # one file for llama.cpp")
            lines.append("trivium ask --chat model.gguf 'Your question'")
        else:
            lines.append("trivium export RUN --to peft --out adapter/      # where PEFT has a form for the method")
    elif task in ("embed", "classify") and mergeable:
        lines.append("trivium export RUN --to onnx --out encoder/      # with an int8 graph")
    return [*lines, "```", "", "RUN is the folder of this run; with the adapter alone, name its base with `--base`."]


def _table(title: str, rows: Mapping[str, str]) -> list[str]:
    shown = [f"| {name} | {_cell(value)} |" for name, value in rows.items() if value]
    return [f"## {title}", "", "| | |", "|---|---|", *shown, ""]


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_flat(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
