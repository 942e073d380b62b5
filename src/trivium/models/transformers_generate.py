"""Generation by Transformers, token by token: each token is handed on as it is made, and the run can be called off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.extras import need


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its number, and its log-probability with the best alternatives (number and value, best first)."""

    number: int
    logprob: float = 0.0
    top: tuple[tuple[int, float], ...] = ()

    @classmethod
    def read(cls, number: int, logits: Any, alternatives: int) -> Token:
        """Look a token up in the logits of its place, shape (vocabulary,)."""
        values = need("torch", extra="tune").log_softmax(logits.float(), dim=-1)
        top: tuple[tuple[int, float], ...] = ()
        if alternatives:
            best = values.topk(min(alternatives, values.shape[-1]))
            top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
        return cls(number, float(values[number]), top)


def generation_settings(max_tokens: int, temperature: float, ends: Iterable[int]) -> Any:
    """Return a `GenerationConfig`: greedy at temperature 0, else sampling with the settings of llama.cpp."""
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
    numbers = sorted(ends)
    return need("transformers", extra="tune").GenerationConfig(
        max_new_tokens=max_tokens,
        eos_token_id=numbers,
        pad_token_id=numbers[0],
        repetition_penalty=1.0,  # some folders bring penalties of their own
        no_repeat_ngram_size=0,
        **sampling,
    )


def generate(
    model: Any,
    prompt: Sequence[int],
    settings: Any,
    receive: Callable[[int, Any], None],
    cancelled: Callable[[], bool],
) -> None:
    """Run `model.generate` on one prompt.

    Args:
        receive: called with each new token's number and the logits that it was chosen from, shape (vocabulary,).
        cancelled: asked after each token; true ends the run.
    """
    torch, transformers = need("torch", extra="tune"), need("transformers", extra="tune")
    latest: list[Any] = []

    class Recorder(transformers.LogitsProcessor):  # type: ignore[misc, name-defined]
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            latest[:] = [scores[0]]  # before temperature and sampling change them
            return scores

    class Cancelled(transformers.StoppingCriteria):  # type: ignore[misc, name-defined]
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            return torch.full((input_ids.shape[0],), cancelled(), device=input_ids.device)

    class Streamer(transformers.generation.streamers.BaseStreamer):  # type: ignore[misc, name-defined]
        started = False

        def put(self, value: Any) -> None:
            if self.started:  # the first is the prompt
                receive(int(value.reshape(-1)[0]), latest[0])
            self.started = True

        def end(self) -> None:
            return

    ids = torch.tensor([list(prompt)], device=model.device)
    model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        generation_config=settings,
        logits_processor=transformers.LogitsProcessorList([Recorder()]),
        stopping_criteria=transformers.StoppingCriteriaList([Cancelled()]),
        streamer=Streamer(),
    )
