"""Whether llama.cpp gives what Transformers gives: tokens, likeliest next tokens and their log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trivium.errors import ModelError
from trivium.models.llama_engine import Engine
from trivium.tune.export.source import PROBES

_TOP = 10  # likeliest tokens of llama.cpp that are compared at each place
_PLACES = 8  # of a text
_LONGEST = 256
_FEWEST = 4
_LEAST, _WORST = 0.8, 0.5  # share of agreeing tokens, mean difference: far from these, the file is wrong


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two runs of one model compare.

    Attributes:
        places: where the next token was compared.
        greedy: the share of them at which both hold the same token for the likeliest.
        mean: difference of the log-probabilities of llama.cpp's ten likeliest tokens, in nats.
        largest: of these differences.
        same_tokens: whether llama.cpp cuts the texts as the tokenizer does.
    """

    places: int
    greedy: float
    mean: float
    largest: float
    same_tokens: bool


def agreement(
    model: Any, tokenizer: Any, gguf: Path, *, adapter: Path | None = None, texts: Sequence[str] = PROBES
) -> Agreement:
    """Compare a model in Transformers with a GGUF file, which may carry a GGUF adapter, in llama.cpp.

    Raises:
        ModelError: llama.cpp cannot load the file.
    """
    model.eval()
    device = next(model.parameters()).device
    engine = Engine(gguf, context=_LONGEST + 8, adapters=[adapter] if adapter else [])
    differences: list[float] = []
    same, greedy, places = True, 0, 0
    try:
        for text in texts:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"][:_LONGEST]
            cut = engine.ask("/tokenize", {"content": text, "add_special": False, "parse_special": False})["tokens"]
            same = same and cut[: len(ids)] == ids
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids], device=device)).logits[0].float().cpu()
            ours = torch.log_softmax(logits, -1)
            for end in sorted({max(1, len(ids) * part // _PLACES) for part in range(1, _PLACES + 1)}):
                top = _next(engine, ids[:end], adapter is not None)
                if not top:
                    continue
                greedy += int(ours[end - 1].argmax()) == top[0][0]
                places += 1
                differences += [abs(value - float(ours[end - 1, token])) for token, value in top]
    finally:
        engine.close()
    mean = sum(differences) / max(len(differences), 1)
    return Agreement(places, greedy / max(places, 1), mean, max(differences, default=0.0), same)


def check(found: Agreement, what: str) -> Agreement:
    """Return what was found, or refuse a file that runs another model.

    Raises:
        ModelError: the two differ by far more than rounding explains.
    """
    if found.places < _FEWEST:
        raise ModelError(
            f"{what} could be compared at {found.places} places only.", "Give more or longer texts with --texts."
        )
    if not found.same_tokens or found.greedy < _LEAST or not found.mean < _WORST:
        why = (
            "cuts texts into other tokens"
            if not found.same_tokens
            else (f"agrees on {found.greedy:.0%} of the next tokens, log-probabilities differ by {found.mean:.2f}")
        )
        raise ModelError(
            f"{what} is another model in llama.cpp than in Transformers: it {why}.",
            "It was not kept. Give the base's own GGUF file with --like, and report this if that does not help.",
        )
    return found


def _next(engine: Engine, ids: Sequence[int], adapted: bool) -> list[tuple[int, float]]:
    """Return the likeliest next tokens with their log-probabilities, best first; none where it does not show them."""
    body: dict[str, Any] = {
        "prompt": list(ids),
        "max_tokens": 1,
        "logprobs": _TOP,
        "temperature": 0.0,
        "cache_prompt": True,
    }
    if adapted:
        body["lora"] = [{"id": 0, "scale": 1.0}]
    said = engine.ask("/v1/completions", body)
    shown = (said["choices"][0].get("logprobs") or {}).get("content")
    # None where the likeliest token ends the text or is half a character: then llama.cpp shows nothing.
    return [(int(row["id"]), float(row["logprob"])) for row in shown[0]["top_logprobs"]] if shown else []
