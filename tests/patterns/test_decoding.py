"""The patterns that decode themselves, on a toy model: what is summed, what is saved, and who is asked otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

import trivium
from trivium.api import KnowledgeBase
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.patterns import PATTERNS
from trivium.patterns.marginal import weights
from trivium.types import Answer, Chunk, Document, Hit

pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

QUESTION = "How long is the warranty of the pump?"


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests.models.test_transformers_chat import make_folder

    from trivium.models.transformers_chat import TransformersChat

    return TransformersChat(make_folder(tmp_path_factory.mktemp("models") / "tiny-1M"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    base = trivium.open(tmp_path_factory.mktemp("decoding") / "kb", embedder=FakeEmbedder(256))
    base.add([Document("a.md", "The warranty of the pump is two years."), Document("b.md", "The seal: one year.")])
    base.add([Document("secret.md", "The secret warranty of the pump is nine years.")], ["user:ada"])
    return base


def step(answer: Answer, name: str) -> Any:
    return next(step.detail for step in answer.trace if step.name == name)


@pytest.mark.parametrize("name", ["rag_token", "rag_sequence"])
def test_each_passage_has_a_prompt_of_its_own(name: str, small: KnowledgeBase, chat: Any, monkeypatch: Any) -> None:
    prompts: list[str] = []
    own = type(chat).prompt_ids

    def heard(self: Any, messages: Any, max_tokens: int) -> list[int]:
        prompts.append(messages[-1].content)
        return own(self, messages, max_tokens)

    monkeypatch.setattr(type(chat), "prompt_ids", heard)
    pieces: list[str] = []
    answer = PATTERNS[name](QUESTION, chat=chat, index=small, k=2, on_text=pieces.append)
    assert len(prompts) == 2
    assert ["two years" in prompt for prompt in prompts] == ["one year" not in prompt for prompt in prompts]
    told = step(answer, "marginal")
    assert told["done"]
    assert sum(told["weights"]) == pytest.approx(1.0, abs=1e-3)
    assert "".join(pieces) == answer.text
    assert answer.usage.prompt_tokens > 0
    assert "nine" not in json.dumps([prompts, answer.text])


def test_speculation_changes_no_word_and_tells_what_it_saved(small: KnowledgeBase, chat: Any) -> None:
    plain = PATTERNS["speculative"](QUESTION, chat=Silent(chat), index=small, k=2)
    answer = PATTERNS["speculative"](QUESTION, chat=chat, index=small, k=2)
    assert answer.text == plain.text
    assert not step(plain, "drafts")["done"]
    told = step(answer, "drafts")
    assert told["tokens"] - told["runs"] == told["accepted"] >= 0


class Silent:
    """The same model, which lends nothing."""

    def __init__(self, chat: Any) -> None:
        self.name, self.context = chat.name, chat.context
        self.complete, self.stream, self.count_tokens = chat.complete, chat.stream, chat.count_tokens


@pytest.mark.parametrize("name", ["rag_token", "rag_sequence", "speculative"])
def test_a_model_that_lends_nothing_reads_as_ever(name: str, small: KnowledgeBase) -> None:
    answer = PATTERNS[name](QUESTION, chat=FakeChat("The warranty is two years."), index=small)
    assert answer.text == "The warranty is two years [1]."
    told = step(answer, "drafts" if name == "speculative" else "marginal")
    assert not told["done"]
    assert "transformers:" in told["note"]


def test_weights_are_a_softmax_of_the_scores() -> None:
    def hit(score: float) -> Hit:
        return Hit(Chunk("a:0", "a", "a", "x", 0, 1), score, ("dense",))

    assert weights([hit(0.9), hit(0.8)]) == pytest.approx([2.71828 / 3.71828, 1 / 3.71828], rel=1e-4)
    assert weights([hit(5000.0), hit(-5000.0)]) == pytest.approx([1.0, 0.0])
