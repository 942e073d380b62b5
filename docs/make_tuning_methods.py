"""Renews the table of docs/tuning-methods.md from the registry, with counts on the embedded models.

python docs/make_tuning_methods.py
"""

from __future__ import annotations

import copy
import re
import tempfile
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.tune.methods import METHODS, attach

PAGE = Path(__file__).parent / "tuning-methods.md"
_FAMILIES = {"llama": "Llama", "gpt2": "GPT-2", "bert": "BERT", "t5": "T5"}
_PLACE = re.compile(r"(<!-- methods: made by docs/make_tuning_methods.py -->\n).*?(\n<!-- end -->)", re.DOTALL)


def table(chat: Any, encoder: Any) -> str:
    """The methods with their trained parameters on two models, as Markdown."""
    lines = [
        "| method | | paper | families | SmolLM2 | MiniLM | merges | step 0 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as place:
        for method in METHODS.values():
            families = ", ".join(_FAMILIES[family] for family in method.families)
            cells = [
                f"`{method.name}`",
                method.title,
                method.paper,
                "all" if len(method.families) == len(_FAMILIES) else families,
                _share(chat, method.name, "causal", Path(place) / "chat"),
                _share(encoder, method.name, "classify", Path(place) / "encoder"),
                "yes" if method.mergeable else "no",
                "the base's" if method.exact else method.start,
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(model: Any, name: str, task: str, folder: Path) -> str:
    whole = sum(parameter.numel() for parameter in model.parameters())
    settings: dict[str, Any] = {}
    if name == "adapter_fusion":
        attach(copy.deepcopy(model), "pfeiffer", task=task).save(folder)
        settings["adapters"] = [str(folder)] * 2
    try:
        attached = attach(copy.deepcopy(model), name, settings, task=task)
    except UsageError:
        return "refused"
    trained = sum(parameter.numel() for parameter in attached.trained().values())
    return f"{trained:,} ({trained / whole:.2%})"


def main() -> None:
    """Rewrite the page's table."""
    import torch
    import transformers

    from trivium.models.gguf_convert import converted_folder
    from trivium.models.pull import ensure

    folder = converted_folder(ensure("smollm2-135m-instruct"))
    chat = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    encoder = transformers.AutoModelForSequenceClassification.from_pretrained(ensure("all-minilm-l6-v2"), num_labels=2)
    page = PAGE.read_text("utf-8")
    PAGE.write_text(_PLACE.sub(lambda found: found[1] + table(chat, encoder) + found[2], page), "utf-8")


if __name__ == "__main__":
    main()
