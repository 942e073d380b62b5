"""`adapter.json`: what an adapter is and what base it belongs to, beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.tune.methods.base import Attached
from trivium.version import __version__

CARD = "adapter.json"
WEIGHTS = "adapter.safetensors"
_SHAPE = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size")


def describe(model: Any) -> dict[str, Any]:
    """What of a base's configuration an adapter depends on."""
    return {key: getattr(model.config, key, None) for key in _SHAPE}


def write(folder: Path, attached: Attached) -> None:
    """Write the card of the active adapter."""
    trained = sum(parameter.numel() for parameter in attached.trained().values())
    card = {
        "trivium": __version__,
        "method": attached.method.name,
        "settings": dict(attached.settings),
        "task": attached.task,
        "base": describe(attached.model),
        "trained": trained,
    }
    if attached.task in ("classify", "tag"):  # without them nobody could open the base with this head again
        names = attached.model.config.id2label
        card["labels"] = [str(names[number]) for number in range(len(names))]
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", "utf-8")


def look(folder: Path) -> dict[str, Any]:
    """Read a card.

    Raises:
        UsageError: there is no adapter in `folder`.
    """
    path = folder / CARD
    try:
        card: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"There is no adapter in {folder}.", f"Give a folder that holds {CARD}.") from None
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}.", "Train the adapter again, or copy it again.") from None
    if not isinstance(card, dict) or not {"method", "settings", "task", "base"} <= card.keys():
        raise UsageError(f"{path} was not written by Trivium.", "Give the folder of an adapter that Trivium trained.")
    return card


def read(folder: Path, model: Any) -> dict[str, Any]:
    """Read a card, and check that the adapter was made on a base of this shape.

    Raises:
        UsageError: there is no adapter in `folder`, or it belongs to another base.
    """
    card = look(folder)
    here = describe(model)
    for key, value in card["base"].items():
        if here[key] != value:
            raise UsageError(
                f"The adapter in {folder} was made on a base with {key} {value}, and this one has {here[key]}.",
                "Load it onto the model that it was trained on.",
            )
    return card
