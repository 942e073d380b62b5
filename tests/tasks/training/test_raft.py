"""RAFT samples of real questions: what is cited holds the answer, what is refused is not answered by what is shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from trivium.errors import UnknownName, UsageError
from trivium.generate.answer import answer
from trivium.generate.answer_prompt import shown
from trivium.generate.language import refusal_text
from trivium.generate.manner import LARGE, SMALL, Manner
from trivium.models.fake import FakeChat
from trivium.tasks.questions import QuestionSet, read_questions
from trivium.tasks.training.raft import TARGETS, raft
from trivium.tasks.training.values import Dialogue
from trivium.text.normalise import normalise
from trivium.types import Chunk, Example, Gold, Hit, Message

REFUSAL = "The documents do not say."


def show(question: str, hits: Sequence[Hit]) -> tuple[list[Message], Sequence[Hit]]:
    passages = "\n".join(f"[{n}] {' '.join(hit.chunk.text.split())}" for n, hit in enumerate(hits, 1))
    return [Message("system", "Answer."), Message("user", f"{passages}\n\n{question}")], hits


@pytest.fixture(scope="module")
def squad(shared_data: Path) -> QuestionSet:
    path = shared_data / "squad" / "dev-v2.0.json"
    if not path.exists():
        pytest.skip("no SQuAD in the folder of real data")
    found = read_questions(path)
    return replace(found, examples=found.examples[:600])


def shown_in(sample: Dialogue) -> dict[int, str]:
    passages = sample.messages[1].content.split("\n\n")[0].split("\n")
    return {int(re.match(r"\[(\d+)\]", line)[1]): line for line in passages}  # type: ignore[index]


def test_a_cited_passage_holds_the_answer_and_the_quotation(squad: QuestionSet) -> None:
    made = raft(squad.examples, squad.documents, show=show, refusal=lambda _: REFUSAL, without=0.3)
    by_id = {example.id: example for example in squad.examples}
    taught = 0
    for sample in made.samples:
        assert isinstance(sample, Dialogue)
        assert [turn.trained for turn in sample.messages] == [False, False, True]
        said, passages = sample.messages[-1].content, shown_in(sample)
        if said == REFUSAL:
            continue
        match = re.fullmatch(r"(.+?) \[(\d)\] “(.+)”", said, re.DOTALL)
        assert match is not None, said
        answer, number, quote = match[1], int(match[2]), match[3]
        assert answer in by_id[sample.id].answers
        assert quote in passages[number]
        assert normalise(answer) in normalise(quote)
        others = [text for place, text in passages.items() if place != number]
        assert not any(re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text) for text in others)
        taught += 1
    assert taught == made.report["answered"] > 100


def test_refusals_are_the_unanswerable_and_the_share_without_gold(squad: QuestionSet) -> None:
    made = raft(squad.examples, squad.documents, show=show, refusal=lambda _: REFUSAL, without=0.25)
    by_id = {example.id: example for example in squad.examples}
    refused = [s for s in made.samples if isinstance(s, Dialogue) and s.messages[-1].content == REFUSAL]
    unanswerable = [sample for sample in refused if by_id[sample.id].unanswerable]
    left_out = [sample for sample in refused if not by_id[sample.id].unanswerable]
    assert len(unanswerable) == sum(example.unanswerable for example in squad.examples) == made.report["unanswerable"]
    answerable = len(squad.examples) - len(unanswerable)
    assert len(left_out) == made.report["refused"]
    assert 0.17 < len(left_out) / answerable < 0.33
    texts = {document.source: document.text for document in squad.documents}
    for sample in left_out:
        gold = by_id[sample.id].evidence[0].text
        assert not any(" ".join(gold.split()) in text for text in shown_in(sample).values())
    for sample in unanswerable:  # SQuAD's own trap: the passage that it was asked about is among those shown
        about = " ".join(texts[str(by_id[sample.id].metadata["document"])].split())
        assert any(text.split("] ", 1)[1] in about for text in shown_in(sample).values())


def test_gold_stands_anywhere_and_the_seed_decides(squad: QuestionSet) -> None:
    def made(seed: int) -> tuple[object, ...]:
        return raft(
            squad.examples, squad.documents, show=show, refusal=str, without=0, seed=seed, target="cited"
        ).samples

    first = made(0)
    assert first == made(0) != made(1)
    places = Counter(
        s.messages[-1].content[-2] for s in first if isinstance(s, Dialogue) and s.messages[-1].content[-1] == "]"
    )
    assert set(places) == set("1234")
    assert max(places.values()) < 2 * min(places.values())


def test_questions_on_one_passage_may_share_their_prompt(squad: QuestionSet) -> None:
    made = raft(squad.examples, squad.documents, show=show, refusal=lambda _: REFUSAL, without=0.3, alike=True)
    by_id = {example.id: example for example in squad.examples}
    passages: dict[str, set[str]] = {}
    for sample in made.samples:
        assert isinstance(sample, Dialogue)
        example = by_id[sample.id]
        about = str(example.metadata["document"])
        shown = sample.messages[1].content.split("\n\n")[0]
        if sample.messages[-1].content != REFUSAL or example.unanswerable:
            passages.setdefault(about, set()).add(shown)
        if sample.messages[-1].content == REFUSAL:
            assert not any(re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", shown) for answer in example.answers)
    assert len(passages) > 20
    assert all(len(one) == 1 for one in passages.values())


def test_distractors_come_from_the_retriever_that_is_given(squad: QuestionSet) -> None:
    example = next(one for one in squad.examples if one.answers)
    asked: list[str] = []

    def search(question: str, k: int) -> list[Hit]:
        asked.append(question)
        return [
            Hit(Chunk(str(n), "kb", "kb", f"Hard negative {n}.", 9 * n, 9 * n + 9), 1.0, ("dense",)) for n in range(k)
        ]

    (sample,) = raft(
        [example], squad.documents, show=show, refusal=str, distractors=2, without=0, search=search
    ).samples
    assert isinstance(sample, Dialogue)
    assert asked == [example.question]
    assert sample.messages[1].content.count("Hard negative") == 2


def test_what_the_prompt_leaves_out_is_not_taught() -> None:
    chunk = Chunk("a", "d", "d", "Lima is the capital. It lies by the sea.", 0, 40)
    example = Example("q", "What is the capital?", ("Lima",), (Gold("d", "Lima is the capital."),))
    other = replace(chunk, id="b", source="e", text="Nothing.")

    def cut(question: str, hits: Sequence[Hit]) -> tuple[list[Message], Sequence[Hit]]:
        return show(question, [replace(hit, chunk=replace(hit.chunk, text=hit.chunk.text[:5])) for hit in hits])

    good = raft([example], [chunk, other], show=show, refusal=str, without=0, target="quote_first")
    (sample,) = good.samples
    assert isinstance(sample, Dialogue)
    number = next(n for n, text in shown_in(sample).items() if "Lima" in text)
    assert sample.messages[-1].content == f"“Lima is the capital.” [{number}]\nLima"
    assert good.report == {"answered": 1, "fewer distractors": 1}
    with pytest.raises(UsageError, match="gold passage cut by the prompt: 1"):
        raft([example], [chunk, other], show=cut, refusal=str, without=0)
    with pytest.raises(UsageError, match="gold passage left out by the prompt: 1"):
        raft([example], [chunk, other], show=lambda q, h: show(q, []), refusal=str, without=0)
    with pytest.raises(UsageError, match="gold passage not among the passages: 1"):
        raft([example], [other], show=show, refusal=str)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UnknownName, match=", ".join(sorted(TARGETS))):
        raft([], [], show=show, refusal=str, target="sung")
    with pytest.raises(UsageError, match="from 0 to 1"):
        raft([], [], show=show, refusal=str, without=2)


@pytest.mark.parametrize("manner", [LARGE, SMALL.freely()])
def test_the_prompt_is_that_of_run_time(squad: QuestionSet, manner: Manner) -> None:
    chat = FakeChat(REFUSAL)
    given: list[Sequence[Hit]] = []

    def show_as_generate(question: str, hits: Sequence[Hit]) -> tuple[list[Message], Sequence[Hit]]:
        given.append(hits)
        messages, framed = shown(question, hits, chat, manner)
        return messages, framed.hits

    made = raft(squad.examples[:20], squad.documents, show=show_as_generate, refusal=refusal_text, distractors=2)
    by_id = {example.id: example for example in squad.examples}
    for sample, hits in zip(made.samples, given, strict=True):
        assert isinstance(sample, Dialogue)
        answer(by_id[sample.id].question, hits, chat=chat, manner=manner, read=lambda id: None)
        sent = [(message.role, message.content) for message in chat.calls[-1].messages]
        assert [(turn.role, turn.content) for turn in sample.messages[:-1]] == sent
    assert made.report["unanswerable"] > 0
    assert made.report["answered"] > 0
