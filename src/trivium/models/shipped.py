"""What ships with Trivium and needs no fetching: adapters of the embedded chat model, and late interaction."""

from __future__ import annotations

import json
from pathlib import Path

from trivium.models.chat import EMBEDDED, shipped_adapters
from trivium.models.pull import InstalledModel
from trivium.models.rerank import LATE

_SOURCE = "ships with Trivium"


def shipped_models() -> list[InstalledModel]:
    """Return the models that came with the package, sorted by name: what an option takes to choose them."""
    adapters = [
        InstalledModel(
            f"{EMBEDDED}-{name}", "chat (adapter)", Path(file), _SOURCE, Path(file).stat().st_size, about=_about(file)
        )
        for name, file in shipped_adapters().items()
    ]
    late = InstalledModel(
        LATE, "reranking", Path(__file__).with_name("late.py"), _SOURCE, 0,
        about=f"--reranker {LATE}: the embedding model compares words one by one; no file of its own",
    )  # fmt: skip
    return sorted([*adapters, late], key=lambda model: model.name)


def _about(file: str) -> str:
    """Return what stands beside an adapter about it."""
    return str(json.loads(Path(file).with_suffix(".json").read_text("utf-8"))["about"])
