"""A model tuned to answer from passages: what it says is taken only where a passage says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log

import pytest

from trivium.generate.answer import answer
from trivium.generate.manner import GROUNDED, SMALL, TUNED, manner_for
from trivium.generate.tuned import read_out
from trivium.models.fake import FakeChat
from trivium.types import Chunk, Completion, Document, Hit, Message, TokenLogprob

TEXT = "The pump was built in 1912. It needs oil every week. The boiler was built in 1930."
HIT = Hit(Chunk("a#0", "a", "a.md", TEXT, 0, len(TEXT)), 1.0, ("dense",))
OTHER = Hit(Chunk("b#0", "b", "b.md", "Nothing of note.", 0, 16), 0.5, ("dense",))


@dataclass
class Tuned:
    """Says what it is told to, with a probability of its first token."""

    says: str
    sure: float = 1.0
    adapters: tuple[str, ...] = (GROUNDED,)
    name: str = "SmolLM2-135M"
    context: int = 2048
    asked: list[tuple[Sequence[Message], str | None]] = field(default_factory=list)

    def complete(
        self, messages: Sequence[Message], *, max_tokens: int = 512, temperature: float = 0.0, seed: int = 0,
        stop: Sequence[str] = (), schema: Mapping[str, object] | None = None, logprobs: int = 0,
        adapter: str | None = None,
    ) -> Completion:  # fmt: skip
        self.asked.append((messages, adapter))
        if schema is not None:
            return Completion('{"answer": "oil every week"}')
        first = self.says.split()[0] if self.says else ""
        return Completion(self.says, logprobs=(TokenLogprob(first, log(self.sure), {first: log(self.sure)}),))

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def reading(says: str, sure: float = 1.0) -> tuple[str, str]:
    found = read_out("When was it built?", [OTHER, HIT], Tuned(says, sure), TUNED)  # type: ignore[arg-type]
    return found.text, found.objection


def test_words_of_the_passage_are_taken_as_they_stand_there() -> None:
    assert reading("built in 1912 [2]") == ("built in 1912", "")
    assert reading("BUILT IN 1912. [2]") == ("built in 1912", "")


def test_a_wrong_number_is_put_right_and_a_missing_one_found() -> None:
    found = read_out("?", [OTHER, HIT], Tuned("1930 [1]"), TUNED)  # type: ignore[arg-type]
    assert found.proof is not None
    assert found.proof.hit is HIT
    assert found.proof.text == "The boiler was built in 1930."
    assert reading("1930") == ("1930", "")


@pytest.mark.parametrize("said", ["1913 [2]", "191", "the pump was built in 1930 [2]"])
def test_what_no_passage_says_is_not_taken(said: str) -> None:
    assert reading(said) == ("", "words")


def test_a_sure_refusal_is_one_and_an_unsure_one_is_not() -> None:
    assert reading("I don't know", 0.95) == ("", "refused")
    assert reading("I don't know", 0.6) == ("", "unsure")


def drafted(chat: Tuned) -> object:
    document = Document("a.md", TEXT)
    sentence = Hit(Chunk("a#0", "a", "a.md", "It needs oil every week.", 28, 52), 1.0, ("dense",))
    return answer(
        "Which care does the pump need?", [HIT], chat=chat, manner=manner_for(chat), read=lambda _: document,  # type: ignore[arg-type]
        sentences=[sentence],
    )  # fmt: skip


def test_an_answer_cites_the_sentence_that_says_it() -> None:
    chat = Tuned("oil every week [1]")
    draft = drafted(chat)
    assert draft.text == "oil every week [1]"  # type: ignore[attr-defined]
    (citation,) = draft.citations  # type: ignore[attr-defined]
    assert citation.quote == TEXT[citation.start : citation.end] == "It needs oil every week."
    assert [adapter for _, adapter in chat.asked] == [GROUNDED]


def test_where_it_is_unsure_the_untuned_model_copies_from_the_best_sentence() -> None:
    chat = Tuned("I don't know", sure=0.6)
    draft = drafted(chat)
    assert draft.text == "oil every week [1]"  # type: ignore[attr-defined]
    assert [adapter for _, adapter in chat.asked] == [GROUNDED, None]
    assert [step.name for step in draft.steps] == ["read", "extract"]  # type: ignore[attr-defined]


def test_a_sure_refusal_is_a_refusal() -> None:
    draft = drafted(Tuned("I don't know", sure=0.97))
    assert draft.refused  # type: ignore[attr-defined]
    assert draft.citations == ()  # type: ignore[attr-defined]


def test_a_model_is_asked_as_it_was_tuned_to_be() -> None:
    assert manner_for(Tuned("")) is TUNED  # type: ignore[arg-type]
    assert manner_for(Tuned("", adapters=("law",))) is SMALL  # type: ignore[arg-type]
    assert manner_for(FakeChat()).adapter is None
