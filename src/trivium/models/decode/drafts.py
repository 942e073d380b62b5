"""Speculative decoding with drafts from given texts: the model checks several tokens in one run.

An answer that quotes its passages repeats them: what followed the last few tokens in a passage is a good guess at
what follows them now (He et al. 2023, REST, arXiv:2311.08252; Yang et al. 2023, inference with reference,
arXiv:2304.04487). The model runs once over the whole guess and keeps the part that it would have said itself
(Leviathan et al. 2022, arXiv:2211.17192; greedy, so that the output is that of plain greedy decoding).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trivium.errors import UsageError
from trivium.models.decode import Lends
from trivium.models.decode.reading import Reading
from trivium.models.stops import StopFilter
from trivium.types import Completion, Message, Usage

LONGEST_MATCH, SHORTEST_MATCH = 4, 2
"""Tokens that must agree for a guess: the longest match found is taken."""
DRAFT = 8
"""Tokens of a guess."""


@dataclass(frozen=True, slots=True)
class Speculated:
    """Tokens, and what they took.

    Attributes:
        ids: what was said.
        calls: runs of the model, the one over the prompt among them; plain decoding makes one a token.
        drafted: tokens that were guessed.
        accepted: of these, those that the model would have said.
    """

    ids: tuple[int, ...]
    calls: int
    drafted: int
    accepted: int


class Lookup:
    """Where each run of 2 to 4 tokens stands in some texts, and what follows it there; the last place wins."""

    def __init__(self, texts: Sequence[Sequence[int]]) -> None:
        self._texts: list[Sequence[int]] = []
        self._after: dict[tuple[int, ...], tuple[int, int]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: Sequence[int]) -> None:
        """Add a text."""
        number = len(self._texts)
        self._texts.append(text)
        for size in range(SHORTEST_MATCH, LONGEST_MATCH + 1):
            for end in range(size, len(text)):
                self._after[tuple(text[end - size : end])] = (number, end)

    def draft(self, ids: Sequence[int], length: int = DRAFT) -> list[int]:
        """Return up to `length` tokens that followed the last tokens of `ids`, for the longest run that is known."""
        for size in range(min(LONGEST_MATCH, len(ids)), SHORTEST_MATCH - 1, -1):
            if place := self._after.get(tuple(ids[-size:])):
                number, end = place
                return list(self._texts[number][end : end + length])
        return []


def speculate(
    model: Any,
    prompt: Sequence[int],
    lookup: Lookup,
    *,
    max_tokens: int,
    ended: Callable[[Sequence[int]], bool],
) -> Speculated:
    """Return the greedy continuation of a prompt, each run of the model checking a guess.

    Args:
        model: a causal Transformers model.
        prompt: its tokens.
        lookup: gives the guesses.
        max_tokens: of the continuation.
        ended: whether the continuation is over with its last token, which belongs to it.
    """
    reading = Reading(model, prompt)
    ids = [int(reading.logits.argmax())]
    drafted = accepted = 0
    while len(ids) < max_tokens and not ended(ids):
        guess = lookup.draft([*prompt[-LONGEST_MATCH:], *ids])[: max_tokens - len(ids) - 1]
        rows = reading.feed([ids[-1], *guess])  # rows[n] is what follows guess[:n]
        drafted += len(guess)
        said = [int(row.argmax()) for row in rows]
        agreed = 0
        for token in said:
            ids.append(token)
            if agreed == len(guess) or token != guess[agreed] or ended(ids):
                break
            agreed += 1
        accepted += agreed
        reading.forget(len(guess) - agreed)
    return Speculated(tuple(ids), reading.calls, drafted, accepted)


@dataclass
class Drafting:
    """A chat model that answers greedily with guesses from given texts; what it says is what `chat` would say.

    Args:
        chat: a model that lends itself. A request with a schema, log-probabilities, an adapter or a temperature is
            passed on to it as it is.
        texts: where the guesses come from.

    Attributes:
        spent: what each answer took.
    """

    chat: Any
    texts: Sequence[str]
    spent: list[Speculated] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not isinstance(self.chat, Lends):
            raise UsageError(f"{self.chat.name} does not lend its weights.", "Open it with transformers:MODEL.")
        self._lookup = Lookup([self.chat.text_ids(text) for text in self.texts])

    @property
    def name(self) -> str:
        """That of the model."""
        return str(self.chat.name)

    @property
    def context(self) -> int:
        """That of the model."""
        return int(self.chat.context)

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`."""
        return int(self.chat.count_tokens(text))

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        schema: Mapping[str, object] | None = None,
        logprobs: int = 0,
        adapter: str | None = None,
    ) -> Completion:
        """Return the whole completion; see `Chat.complete`."""
        if temperature or schema is not None or logprobs or adapter is not None:
            done: Completion = self.chat.complete(
                messages,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
                stop=stop,
                schema=schema,
                logprobs=logprobs,
                adapter=adapter,
            )
            return done
        prompt = self.chat.prompt_ids(messages, max_tokens)

        def ended(ids: Sequence[int]) -> bool:
            return ids[-1] in self.chat.ends or any(word and word in self.chat.text_of(ids) for word in stop)

        with self.chat.lent() as model:
            done_ids = speculate(model, prompt, self._lookup, max_tokens=max_tokens, ended=ended)
        self.spent.append(done_ids)
        stops = StopFilter(stop)
        text = stops.feed(self.chat.text_of(done_ids.ids)) + stops.rest()
        finish = "stop" if stops.found or done_ids.ids[-1] in self.chat.ends else "length"
        return Completion(text, Usage(len(prompt), len(done_ids.ids)), finish, model=self.name)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        adapter: str | None = None,
    ) -> Iterator[str]:
        """Yield the whole text as one piece."""
        said = self.complete(
            messages, max_tokens=max_tokens, temperature=temperature, seed=seed, stop=stop, adapter=adapter
        )
        return iter((said.text,) if said.text else ())
