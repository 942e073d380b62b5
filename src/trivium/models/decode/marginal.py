"""RAG-Sequence and RAG-Token: one passage a prompt, and the answer's probability summed over the passages.

Lewis et al. 2020, arXiv:2005.11401, for a causal model: with passage weights p(z), which sum to 1,

    RAG-Sequence  p(y) = sum_z p(z) prod_t p(y_t | z, y_<t)
    RAG-Token     p(y) = prod_t sum_z p(z) p(y_t | z, y_<t)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.errors import UsageError
from trivium.extras import need
from trivium.models.decode import Lends
from trivium.models.decode.reading import Reading
from trivium.models.stops import StopFilter
from trivium.types import Completion, Message, Usage

Ids = Sequence[int]
MODES = ("sequence", "token")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Tokens with their log-probability under the marginal, and how many tokens the model read for them."""

    ids: tuple[int, ...]
    logprob: float
    read: int


def weighted(weights: Sequence[float]) -> list[float]:
    """Return passage weights made to sum to 1.

    Raises:
        UsageError: there are none, one is negative, or all are 0.
    """
    total = sum(weights)
    if not weights or min(weights) < 0 or not total > 0:
        raise UsageError(f"The passages weigh {list(weights)}.", "Give each 0 or more, and one above 0.")
    return [weight / total for weight in weights]


def sequence_logprob(model: Any, prompts: Sequence[Ids], weights: Sequence[float], answer: Sequence[int]) -> float:
    """Return log p(answer) of RAG-Sequence, in nats.

    Args:
        model: a causal Transformers model.
        prompts: the tokens of the prompt with each passage.
        weights: of the passages, in any scale.
        answer: its tokens, at least one.
    """
    torch = need("torch", extra="tune")
    each = [_steps(model, prompt, answer).sum() for prompt in prompts]
    return float(torch.logsumexp(torch.stack(each) + _log(weights), dim=0))


def token_logprob(model: Any, prompts: Sequence[Ids], weights: Sequence[float], answer: Sequence[int]) -> float:
    """Return log p(answer) of RAG-Token, in nats; the arguments are those of `sequence_logprob`."""
    torch = need("torch", extra="tune")
    each = torch.stack([_steps(model, prompt, answer) for prompt in prompts])  # (passages, tokens)
    return float(torch.logsumexp(each + _log(weights)[:, None], dim=0).sum())


def rag_sequence(
    model: Any,
    prompts: Sequence[Ids],
    weights: Sequence[float],
    *,
    max_tokens: int,
    ended: Callable[[Ids], bool],
) -> Decoded:
    """Return the likeliest of the greedy answers of each passage: the paper's thorough decoding, with a beam of one.

    Args:
        model, prompts, weights: as for `sequence_logprob`.
        max_tokens: of an answer.
        ended: whether an answer is over with its last token, which belongs to it.
    """
    answers, read = [], 0
    for prompt in prompts:
        reading = Reading(model, prompt)
        answers.append(_greedy([reading], [1.0], max_tokens, ended).ids)
        read += reading.read
    scored = [
        Decoded(ids, sequence_logprob(model, prompts, weights, ids), read + sum(len(p) + len(ids) for p in prompts))
        for ids in dict.fromkeys(answers)
    ]
    return max(scored, key=lambda one: one.logprob)


def rag_token(
    model: Any,
    prompts: Sequence[Ids],
    weights: Sequence[float],
    *,
    max_tokens: int,
    ended: Callable[[Ids], bool],
) -> Decoded:
    """Return the greedy answer of RAG-Token: at each place the token that is likeliest over all passages together.

    The arguments are those of `rag_sequence`.
    """
    return _greedy([Reading(model, prompt) for prompt in prompts], weighted(weights), max_tokens, ended)


def _greedy(
    readings: Sequence[Reading], weights: Sequence[float], max_tokens: int, ended: Callable[[Ids], bool]
) -> Decoded:
    torch = need("torch", extra="tune")
    prior = _log(weights)[:, None]
    ids: list[int] = []
    total = 0.0
    while len(ids) < max_tokens:
        rows = torch.stack([torch.log_softmax(reading.logits, dim=-1) for reading in readings])
        mixed = torch.logsumexp(rows + prior.to(rows.device), dim=0)  # (vocabulary,)
        ids.append(int(mixed.argmax()))
        total += float(mixed[ids[-1]])
        if ended(ids) or len(ids) == max_tokens:
            break
        for reading in readings:
            reading.feed(ids[-1:])
    return Decoded(tuple(ids), total, sum(reading.read for reading in readings))


def _steps(model: Any, prompt: Ids, answer: Ids) -> Any:
    """Return the log-probability of each token of the answer after the prompt, shape (tokens,), on the CPU."""
    torch = need("torch", extra="tune")
    ids = torch.tensor([[*prompt, *answer[:-1]]], device=model.device)
    rows = torch.log_softmax(model(input_ids=ids, logits_to_keep=len(answer)).logits[0].float(), dim=-1)
    return rows.gather(1, torch.tensor(list(answer), device=rows.device)[:, None])[:, 0].cpu()


def _log(weights: Sequence[float]) -> Any:
    torch = need("torch", extra="tune")
    return torch.tensor(weighted(weights)).log()


def marginal(
    chat: Lends,
    prompts: Sequence[Sequence[Message]],
    weights: Sequence[float],
    *,
    mode: str = "token",
    max_tokens: int = 64,
    stop: Sequence[str] = (),
) -> Completion:
    """Return what a chat model says to conversations that differ in their passage, by RAG-Token or RAG-Sequence.

    Args:
        chat: a model that lends itself.
        prompts: one conversation for each passage.
        weights: p(z) of each passage, in any scale.
        mode: "token" or "sequence".
        max_tokens: of the answer.
        stop: strings that end it.

    Returns:
        The text; its usage counts each passage's prompt.

    Raises:
        UsageError: there is no passage, a weight is negative, or the mode is not one of these.
        ContextOverflow: a prompt does not fit the context.
    """
    if mode not in MODES:
        raise UsageError(f"The marginal over {mode!r} was asked for.", f"Give one of {', '.join(MODES)}.")
    shares = weighted(weights)
    ids = [chat.prompt_ids(prompt, max_tokens) for prompt in prompts]

    def ended(said: Ids) -> bool:
        return said[-1] in chat.ends or _cut(chat.text_of(said), stop)[1]

    with chat.lent() as model:
        decode = rag_token if mode == "token" else rag_sequence
        done = decode(model, ids, shares, max_tokens=max_tokens, ended=ended)
    text, stopped = _cut(chat.text_of(done.ids), stop)
    finish = "stop" if stopped or done.ids[-1] in chat.ends else "length"
    return Completion(text, Usage(sum(map(len, ids)), len(done.ids)), finish, model=chat.name)


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Return a text up to the first stop string, and whether it had one."""
    stops = StopFilter(stop)
    shown = stops.feed(text) + stops.rest()
    return shown, stops.found
