"""The material: what is learnt from, what decides, and that nothing is in both."""

from __future__ import annotations

import json

import pytest

from trivium.errors import UsageError
from trivium.index import Index
from trivium.index.ingest import Options, add
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.tasks.training.values import Retrieval
from trivium.tune.retrieval.material import Given, gather, read_given
from trivium.tune.retrieval.plan import Plan
from trivium.types import Document, Example, Gold

TOWNS = [f"{first}{last}" for first in ("bran", "cor", "del", "fen", "gil") for last in ("ham", "ley", "ton", "wick")]
TEXT = (
    "The harbour of {0} was deepened by hand. Its lighthouse of granite can be seen from forty kilometres at sea. "
    "In the winter storms the fishermen of {0} stay behind the eastern wall."
)
EXAMPLES = [
    Example(
        f"q{n}", f"How was the harbour of {town} deepened?", (f"by hand in {town}",), (Gold(town, TEXT.format(town)),)
    )
    for n, town in enumerate(TOWNS)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Index:
    index = Index.open(tmp_path_factory.mktemp("kb") / "kb", FakeEmbedder)
    add(index, [Document(town, TEXT.format(town)) for town in TOWNS], Options())
    return index


def test_questions_and_samples_are_told_apart(tmp_path):
    questions, samples = tmp_path / "questions.jsonl", tmp_path / "samples.jsonl"
    row = {"id": "1", "question": "Who pays?", "answers": ["the maker"], "evidence": [{"source": "a", "text": "b"}]}
    questions.write_text(json.dumps(row) + "\n")
    samples.write_text(json.dumps({"query": "Who pays?", "pos": ["The maker pays."], "neg": ["Nobody."]}) + "\n")
    given = read_given([questions, samples])
    assert [(example.question, example.evidence) for example in given.examples] == [("Who pays?", (Gold("a", "b"),))]
    assert [(sample.positives, sample.negatives) for sample in given.samples] == [(("The maker pays.",), ("Nobody.",))]
    assert read_given([questions]).digest != given.digest != read_given([samples]).digest
    with pytest.raises(UsageError, match=r"none\.jsonl"):
        read_given([tmp_path / "none.jsonl"])


def test_a_document_is_in_one_part_alone(base):
    told = []
    found = gather(base, Given(tuple(EXAMPLES)), Plan(), on_stage=lambda *at: told.append(at))
    parts = [{sample.group for sample in part} for part in (found.train, found.validation)]
    parts.append({example.evidence[0].source for example in found.test})
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(TOWNS)
    assert all(len(sample.negatives) == 4 for sample in found.train)
    assert ("Mining negatives", len(found.train), len(found.train)) in told


def test_samples_do_not_tell_what_decides(base):
    given = Given(
        tuple(EXAMPLES), tuple(Retrieval(one.question + " ", ("It was.",), ("No.",), id=one.id) for one in EXAMPLES)
    )
    found = gather(base, given, Plan(unlabelled=True))
    held = {example.evidence[0].source for example in found.test} | {sample.group for sample in found.validation}
    asked = {example.question for example in EXAMPLES if example.evidence[0].source in held}
    assert not held & {sample.group for sample in found.train}
    assert not asked & {sample.query.strip() for sample in found.train}
    assert any(sample.id.endswith("#sentence") for sample in found.train)
    assert any(sample.positives == ("It was.",) for sample in found.train)
    assert found.left_out["of documents or questions that are held out"] >= 2 * len(held)


def test_the_knowledge_base_alone_teaches_and_nothing_decides(base):
    found = gather(base, Given(), Plan(unlabelled=True))
    assert found.train
    assert found.validation
    assert found.test == []
    assert not {sample.id for sample in found.train} & {sample.id for sample in found.validation}


def test_a_writer_is_shown_no_question_that_decides(base):
    seen = []

    def reply(messages):
        seen.append([one.content for one in messages[1:-1:2]])
        town = messages[-1].content.split("harbour of ")[1].split()[0]
        return f"Where can the lighthouse of {town} be seen from?"

    given = Given(tuple(EXAMPLES))
    found = gather(base, given, Plan(written=5), chat=lambda: FakeChat(reply))
    asked = {example.question for example in found.test}
    assert asked
    assert seen[0]
    assert not asked & set(seen[0])
    assert any(sample.query.startswith("Where can") for sample in found.train)
    with pytest.raises(UsageError, match="what a question is like"):
        gather(base, Given(), Plan(written=5), chat=lambda: FakeChat(reply))


def test_what_cannot_be_is_said(base):
    elsewhere = Example("1", "Who pays?", ("I",), (Gold("elsewhere", "I pay."),))
    with pytest.raises(UsageError, match="None of the 1 questions has its evidence"):
        gather(base, Given((elsewhere,)), Plan())
    with pytest.raises(UsageError, match="nothing to learn from"):
        gather(base, Given(), Plan())
    with pytest.raises(UsageError, match="--chat transformers:"):
        gather(base, Given(tuple(EXAMPLES)), Plan(teacher="chat"), chat=lambda: FakeChat())
    with pytest.raises(UsageError, match="only where the answer is known"):
        gather(base, Given(tuple(EXAMPLES)), Plan(teacher="chat", unlabelled=True), chat=lambda: FakeChat())
    counted = gather(base, Given((*EXAMPLES, elsewhere, Example("2", "Who?"))), Plan()).left_out
    assert counted == {"document not in the knowledge base": 1, "no evidence": 1}
