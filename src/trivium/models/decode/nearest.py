"""kNN-LM: the model's next token mixed with the tokens that followed where it was in a similar state.

Khandelwal et al. 2019, arXiv:1911.00172: p = lambda p_kNN + (1 - lambda) p_LM. The datastore holds, for each place of
some texts, the model's state there and the token that followed; p_kNN weighs the k nearest states by exp(-d²/T). The
state is the last layer's output here, the input of its feed-forward layer in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.errors import UsageError
from trivium.extras import need
from trivium.models.decode.reading import Reading

_BLOCK = 512
"""Tokens of a text that are read together."""


@dataclass(frozen=True, slots=True)
class Datastore:
    """States of a model, shape (n, dimension), float32, and the token that followed each, shape (n,)."""

    keys: Any
    values: Any


def datastore(model: Any, texts: Sequence[Sequence[int]]) -> Datastore:
    """Return the states of a model over texts, given as tokens; each text is read by itself, in blocks of 512.

    Raises:
        UsageError: no text has two tokens.
    """
    torch = need("torch", extra="tune")
    keys, values = [], []
    for text in texts:
        for start in range(0, max(len(text) - 1, 0), _BLOCK):
            block = list(text[start : start + _BLOCK + 1])
            ids = torch.tensor([block[:-1]], device=model.device)
            states = model(input_ids=ids, output_hidden_states=True, logits_to_keep=1).hidden_states[-1][0]
            keys.append(states.float())
            values.append(torch.tensor(block[1:], device=model.device))
    if not keys:
        raise UsageError("There is no text of two tokens or more for the datastore.", "Give passages with words.")
    return Datastore(torch.cat(keys), torch.cat(values))


def mixed(logits: Any, hidden: Any, store: Datastore, *, weight: float, k: int = 32, temperature: float = 1.0) -> Any:
    """Return the log-probabilities of the next token, shape (vocabulary,), in nats.

    Args:
        logits: the model's, shape (vocabulary,).
        hidden: its state, shape (dimension,).
        store: states and tokens.
        weight: lambda, 0 (the model alone, exactly) to 1.
        k: how many of the nearest states have a say.
        temperature: T, in units of the mean squared distance of these k, so that it does not depend on the model.

    Raises:
        UsageError: `weight` is outside 0 to 1.
    """
    if not 0.0 <= weight <= 1.0:
        raise UsageError(f"kNN-LM was asked for with a weight of {weight}.", "Give one from 0 to 1.")
    torch = need("torch", extra="tune")
    own = torch.log_softmax(logits.float(), dim=-1)
    if weight == 0.0:
        return own
    distances = (store.keys - hidden).square().sum(dim=-1)
    near = distances.topk(min(k, distances.shape[0]), largest=False)
    scale = near.values.mean().clamp_min(1e-12) * temperature
    shares = torch.softmax(-near.values / scale, dim=-1)
    tokens = torch.zeros_like(own).scatter_add_(0, store.values[near.indices], shares)
    if weight == 1.0:
        return tokens.log()
    return torch.logaddexp(own + math.log1p(-weight), tokens.log() + math.log(weight))


def knn_greedy(
    model: Any,
    prompt: Sequence[int],
    store: Datastore,
    *,
    weight: float,
    max_tokens: int,
    ended: Callable[[Sequence[int]], bool],
    k: int = 32,
    temperature: float = 1.0,
) -> tuple[int, ...]:
    """Return the greedy continuation of a prompt by the mixed probabilities; the settings are those of `mixed`.

    Args:
        model: a causal Transformers model.
        prompt: its tokens.
        store: states and tokens.
        max_tokens: of the continuation.
        ended: whether the continuation is over with its last token, which belongs to it.
    """
    reading = Reading(model, prompt, hidden=True)
    ids: list[int] = []
    while len(ids) < max_tokens:
        row = mixed(reading.logits, reading.hidden, store, weight=weight, k=k, temperature=temperature)
        ids.append(int(row.argmax()))
        if ended(ids) or len(ids) == max_tokens:
            break
        reading.feed(ids[-1:])
    return tuple(ids)
