"""Compression: what is left is the passage's own words, fits the budget, and is what each paper says to keep."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from trivium.errors import UnknownName, UsageError
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.retrieve.compress import BY_LIKELIHOOD, METHODS, compress
from trivium.retrieve.compress.information import information, words
from trivium.retrieve.compress.selective import phrases
from trivium.retrieve.compress.values import Compressed, Tools, best_within
from trivium.types import Chunk, Hit, Message, TokenLogprob

QUESTION = "How long is the warranty of the printer?"
TEXTS = (
    "The office opens at nine in the morning. The office closes at five. The office is in the town.",
    "The warranty of the printer lasts 24 months. The office closes at five. Batteries are excluded from it.",
    "打印机的保修期为二十四个月。办公室早上九点开门。办公室下午五点关门。",
)


class Scoring(FakeChat):
    """A word that stood before costs half a nat, any other one a nat and one more for each letter."""

    scored = 0

    def score(self, text: str, *, messages: Sequence[Message] = ()) -> tuple[TokenLogprob, ...]:
        self.scored += 1
        known: set[str] = set()
        tokens = []
        for piece in re.findall(r"\s*\w+|\s*[^\w\s]|\s+", text):
            word = piece.strip().lower()
            tokens.append(TokenLogprob(piece, -0.5 if word in known else -1.0 - len(word)))
            known.add(word)
        return tuple(tokens)


def hits(*texts: str) -> list[Hit]:
    return [
        Hit(Chunk(f"d{n}:0", f"d{n}", f"d{n}.md", text, 100, 100 + len(text)), 1.0 - n / 10, ("dense",))
        for n, text in enumerate(texts)
    ]


def done(method: str, ratio: float = 0.5, chat: FakeChat | None = None, texts: Sequence[str] = TEXTS):
    tools = Tools(chat or Scoring(), FakeEmbedder(256))
    return compress(QUESTION, hits(*texts), tools, method=method, ratio=ratio)


@pytest.mark.parametrize("method", ["extractive", *BY_LIKELIHOOD])
@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.8])
def test_what_is_left_is_the_passages_own_and_fits(method: str, ratio: float) -> None:
    found = done(method, ratio)
    assert found.method == method
    whole = sum(map(len, TEXTS))
    for passage in found.passages:
        text = passage.hit.chunk.text
        assert passage.kept == tuple(sorted(passage.kept))
        assert "".join(passage.text.split()) == "".join("".join(text[a:b] for a, b in passage.kept).split())
    left = sum(b - a for passage in found.passages for a, b in passage.kept)
    assert 0.1 * whole * ratio < left <= whole * ratio * 1.3


@pytest.mark.parametrize("method", METHODS)
def test_nothing_found_is_nothing_left(method: str) -> None:
    assert done(method, texts=()).passages == ()


@pytest.mark.parametrize("method", BY_LIKELIHOOD)
def test_at_one_every_word_stays(method: str) -> None:
    found = {passage.hit.chunk.id: passage.text for passage in done(method, 1.0).passages}
    assert {id: "".join(text.split()) for id, text in found.items()} == {
        f"d{n}:0": "".join(text.split()) for n, text in enumerate(TEXTS)
    }


def test_extraction_keeps_the_sentence_that_answers() -> None:
    [passage] = done("extractive", 0.2).passages
    assert passage.text == "The warranty of the printer lasts 24 months."
    assert passage.sentences() == [(100, 144)]


def test_selective_context_drops_what_was_said_before() -> None:
    repeated = "The office closes at five. The office closes at five. Quartz resonators oscillate."
    [passage] = done("selective_context", 0.4, texts=(repeated,)).passages
    assert passage.text == "Quartz resonators oscillate."


def test_llmlingua_reads_on_from_what_it_kept() -> None:
    alone = done("llmlingua", 0.7, texts=("Quartzite goes on.",)).passages[0]
    assert "Quartzite" in alone.text
    second = done("llmlingua", 0.7, texts=("Quartzite stays.", "Quartzite goes on.")).passages[1]
    assert "Quartzite" not in second.text  # it was kept before, and tells nothing the second time


def test_long_llmlingua_puts_the_passage_that_explains_the_question_first_and_keeps_more_of_it() -> None:
    found = done("long_llmlingua", 0.45, texts=TEXTS[:2])
    share = {p.hit.chunk.id: sum(b - a for a, b in p.kept) / len(p.hit.chunk.text) for p in found.passages}
    assert found.passages[0].hit.chunk.id == "d1:0"
    assert share["d1:0"] > share.get("d0:0", 0.0)
    assert "warranty" in found.passages[0].text
    assert "printer" in found.passages[0].text


def test_a_summary_stands_for_all_passages() -> None:
    found = done("abstractive", chat=FakeChat("The warranty of the printer\nlasts 24 months."))
    assert [passage.text for passage in found.passages] == ["The warranty of the printer lasts 24 months."]
    assert found.usage.completion_tokens > 0
    assert found.passages[0].sentences() == []


@pytest.mark.parametrize("said", ["", "none", "无。", "Brazil won the football world cup of 1998 in Paris."])
def test_a_summary_that_is_none_is_not_taken(said: str) -> None:
    found = done("abstractive", chat=FakeChat(said))
    assert found.method == "extractive"
    assert found.note
    assert found.usage.prompt_tokens > 0


@pytest.mark.parametrize("method", BY_LIKELIHOOD)
def test_a_model_that_scores_nothing_is_told_of(method: str) -> None:
    found = done(method, chat=FakeChat())
    assert found.method == "extractive"
    assert "transformers:" in found.note
    assert found.passages


def test_bad_settings_are_refused() -> None:
    with pytest.raises(UnknownName, match="extractive"):
        done("zip")
    for ratio in (0.0, -1.0, 1.5):
        with pytest.raises(UsageError, match="compression"):
            done("extractive", ratio)


def test_phrases_begin_at_words_without_content_and_end_at_marks() -> None:
    text = "The warranty of the red printer lasts 24 months, from today."
    spans = words(text)
    assert [text[spans[a][0] : spans[b - 1][1]] for a, b in phrases(text, spans)] == [
        "The warranty",
        "of the red printer lasts 24 months,",
        "from today.",
    ]


def test_words_of_chinese_are_those_of_the_dictionary() -> None:
    text = "打印机X-200的保修期。 OK"
    assert [text[a:b] for a, b in words(text)] == ["打印机", "X-200", "的", "保修期", "。", "OK"]


def test_information_is_that_of_the_tokens_whatever_stands_before() -> None:
    text, scorer = "alpha beta, alpha gamma", Scoring()
    assert information(text, words(text), scorer) == [6.0, 5.0 + 2.0, 0.5, 6.0]
    assert information(text, words(text), scorer, "gamma ") == [6.0, 7.0, 0.5, 0.5]
    long = " ".join(f"word{n}" for n in range(900))
    assert len([nats for nats in information(long, words(long), scorer) if nats > 0]) == 900


def test_the_best_are_taken_until_one_does_not_fit() -> None:
    spans = [(0, 10), (10, 12), (12, 40), (40, 45)]
    assert best_within(spans, [4.0, 1.0, 3.0, 2.0], 20) == [0]
    assert best_within(spans, [4.0, 3.0, 1.0, 2.0], 20) == [0, 1, 3]
    assert best_within(spans, [1.0, 1.0, 9.0, 1.0], 5) == [2]
    assert best_within([], [], 5) == []


def test_a_sentence_counts_as_shown_by_half_of_its_characters_and_only_where_the_prompt_had_room() -> None:
    hit = hits("One two three four. Five six seven eight.")[0]
    passage = Compressed(hit, ((0, 13), (20, 24)))
    assert passage.text == "One two three Five"
    assert passage.sentences() == [(100, 119)]
    assert passage.sentences(5) == []


@pytest.fixture(scope="module")
def tiny_chat_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="the extra 'tune' is not installed")
    from tests.models.test_transformers_chat import make_folder

    return make_folder(tmp_path_factory.mktemp("models") / "tiny")


PLACED = ["How long is the pump?  Two\n\nyears.", "泵的保修期为两年。🙂 ok", "naïve — “cafés”…"]


@pytest.mark.parametrize("text", PLACED)
def test_the_tokens_of_a_real_tokenizer_are_all_placed(text: str, tiny_chat_folder: Path) -> None:
    from trivium.models.transformers_chat import TransformersChat

    chat = TransformersChat(tiny_chat_folder)
    tokens = chat.score(text)
    nats = information(text, words(text), chat)
    assert sum(nats) == pytest.approx(-sum(token.logprob for token in tokens if token.token.strip()), rel=1e-5)
    assert min(nats) > 0
