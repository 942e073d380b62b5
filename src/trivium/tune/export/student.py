"""Teachers and students: a classifier with its own labels, some of a model's layers, answers to learn from."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.tasks.training.values import Dialogue, Labelled
from trivium.tune.bases import Base, open_base
from trivium.tune.encode import prompt_ids
from trivium.tune.export.gguf_vocabulary import read_object
from trivium.tune.methods.architecture import take_apart
from trivium.tune.objectives.inputs import evaluating, onto, written


def open_whole(folder: Path, labels: tuple[str, ...]) -> Base:
    """Open a classifier's folder with the labels that it states.

    Raises:
        UsageError: they are not those of the data.
    """
    stated = read_object(folder / "config.json").get("id2label") or {}
    names = tuple(str(stated[key]) for key in sorted(stated, key=int))
    if set(labels) - set(names):
        raise UsageError(
            f"The teacher in {folder} gives {', '.join(names[:8])}; the data also has "
            f"{', '.join(sorted(set(labels) - set(names))[:8])}.",
            "Tune a teacher on this data first.",
        )
    return open_base(folder, "classify", labels=names)


def shrunk(base: Base, layers: int) -> Base:
    """Return a model of `layers` of the base's layers, evenly spaced with the first and the last, and its own weights.

    Raises:
        UsageError: there are not so many, or none.
    """
    blocks = take_apart(base.model).blocks
    if not 0 < layers < len(blocks):
        raise UsageError(
            f"A student of {layers} layers was asked for, and the teacher has {len(blocks)}.",
            f"Ask for 1 to {len(blocks) - 1}.",
        )
    if base.model.config.model_type not in ("llama", "mistral", "qwen2", "bert", "roberta", "xlm-roberta"):
        raise UsageError(
            f"Layers cannot be taken out of a {base.model.config.model_type}.", "Name a smaller model with --student."
        )
    kept = [round(place * (len(blocks) - 1) / max(layers - 1, 1)) for place in range(layers)]
    name = blocks[0].name.rpartition(".")[0]
    config = copy.deepcopy(base.model.config)
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[place] for place in kept]
    model = type(base.model)(config).float()
    state = {key: value for key, value in base.model.state_dict().items() if not key.startswith(name + ".")}
    for new, old in enumerate(kept):
        front = f"{name}.{old}."
        state |= {
            f"{name}.{new}.{key.removeprefix(front)}": value
            for key, value in base.model.state_dict().items()
            if key.startswith(front)
        }
    model.load_state_dict(state)
    return replace(base, name=f"{base.name} ({layers} layers)", model=model)


def answered(samples: Sequence[Any], teacher: Base, *, longest: int, tokens: int) -> list[Any]:
    """Return the samples with the teacher's answers (or labels) in place of their own; those without one are left out.

    A dialogue's last answer is written anew; what was said before it stays and is not trained.
    """
    if samples and isinstance(samples[0], Labelled):
        return _labelled(samples, teacher, tokens)
    asked = [
        one for one in samples if isinstance(one, Dialogue) and one.messages and one.messages[-1].role == "assistant"
    ]
    if not asked:
        raise UsageError(
            "No sample has a question for the teacher to answer.",
            "Distil plain text from the logits (--level logits), or give dialogues.",
        )
    prompts = [prompt_ids(one.messages[:-1], teacher.tokenizer, one.tools) for one in asked]
    said = written(teacher.model, teacher.tokenizer, prompts, tokens=tokens, longest=longest, left=True)
    found = []
    for one, answer in zip(asked, said, strict=True):
        if answer:
            before = [replace(turn, trained=False) for turn in one.messages[:-1]]
            last = replace(one.messages[-1], content=answer, calls="", trained=True)
            found.append(replace(one, messages=(*before, last)))
    return found


def _labelled(samples: Sequence[Labelled], teacher: Base, tokens: int) -> list[Labelled]:
    names = teacher.model.config.id2label
    found = []
    with evaluating(teacher.model):
        for one in samples:
            texts = [one.text] if one.second is None else [one.text, one.second]
            given = teacher.tokenizer(*texts, truncation=True, max_length=min(tokens, 512), return_tensors="pt")
            logits = teacher.model(**onto(dict(given), teacher.model)).logits[0]
            found.append(replace(one, label=str(names[int(logits.argmax())])))
    return found
