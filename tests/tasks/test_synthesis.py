from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import trivium
from trivium.errors import ModelError, UnknownName, UsageError
from trivium.models.fake import FakeChat
from trivium.models.schema import problem_of_text
from trivium.tasks.questions import read_jsonl, read_questions, write_questions
from trivium.tasks.synthesis import KINDS, WITH_CHAT, checks, make_questions
from trivium.tasks.synthesis.corpus import Corpus, Sentence, answers_in, rarest_word, spans_of_names, title_of
from trivium.tasks.synthesis.make import KEPT
from trivium.text.content import content_terms
from trivium.types import Block, Chunk, Document, Example, Heading, Hit, Message

PUMPS = (
    "# Pumps\n\nThe warranty of the K2 pump lasts 24 months from the day of delivery. It does not cover the seals.\n\n"
    "The K3 pump was designed by Maria Lopez in a small workshop near the harbour of Lima.\n\n"
    "## Cleaning\n\nThe filter of every pump must be cleaned once a week by the operator of the machine.\n"
)
PEOPLE = (
    "# People\n\nThe engineer Maria Lopez studied mechanics in Bogota and received the national prize in 1994.\n\n"
    "The director of the factory in Quito is Pablo Ruiz, who joined the company after the flood.\n"
)
CHINESE = "# 年假\n\n员工工作满一年后，每年有15天带薪年假，由部门经理批准。未休的年假可以保留到次年3月31日。\n"


def document(source: str, text: str) -> Document:
    """A document with the headings that a reader of Markdown would find."""
    marks = re.finditer(r"^(#+) (.+)$", text, re.MULTILINE)
    headings = tuple(Heading(len(mark[1]), mark[2], mark.start(), mark.end()) for mark in marks)
    return Document(source, text, headings=headings)


AIR = "# Air\n\nThe first compressor was tested by Carmen Vega in the laboratory beside the airport of Cusco.\n"
DOCUMENTS = [
    document("pumps.md", PUMPS),
    document("people.md", PEOPLE),
    document("年假.md", CHINESE),
    document("air.md", AIR),
]


def search(question: str, k: int) -> list[Hit]:
    """Finds whole documents by the words they share with the question."""
    asked = set(content_terms(question))
    scored = [(len(asked & set(content_terms(d.text))), d) for d in DOCUMENTS]
    scored.sort(key=lambda one: -one[0])
    hits = [
        Hit(Chunk(d.source, d.source, d.source, d.text, 0, len(d.text)), float(n), ("words",)) for n, d in scored if n
    ]
    return hits[:k]


REPLIES = {
    "pump lasts ____ from": "How long does the warranty of the K2 pump last?",
    "designed by ____ in": "Who designed the K3 pump?",
    "harbour of ____.": "In the harbour of which city was the K3 pump designed by Maria Lopez?",
    "prize in ____.": "In which year did the engineer Maria Lopez receive the national prize?",
    "每年有____带薪年假": "员工工作满一年后，每年有多少带薪年假？",
}
READ = {
    "How long": "24 months",
    "how many months": "24 months",
    "Who": "Maria Lopez",
    "which city": "Lima",
    "year": "1994",
    "多少": "15天",
    "几天": "15天",
}


def field(message: Message, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", message.content, re.MULTILINE)
    return found[1] if found else ""


def writer(messages: Sequence[Message]) -> str:
    """A capable model, in a table."""
    asked = messages[-1]
    if two := field(asked, "Fact 2"):
        what = (
            "In which year did the designer of the K3 pump receive the national prize?"
            if "prize in ____" in two
            else "Who?"
        )
        return json.dumps({"question": what})
    passage, question = field(asked, "Passage"), field(asked, "Question")
    if question and passage:
        return json.dumps({"answer": next((READ[key] for key in READ if key in question), "nothing")})
    if question:
        again = {
            "How long does the warranty of the K2 pump last?": "For how many months is the K2 pump under warranty?",
            "Who designed the K3 pump?": "Who designed the K3 pump ?",
        }
        return json.dumps({"question": again.get(question, question)})
    if "____" in passage:
        asks = next((REPLIES[part] for part in REPLIES if part in passage), "What is in the gap of the passage?")
        return json.dumps({"question": asks}, ensure_ascii=False)
    return json.dumps({"question": "How often must the filter of every pump be cleaned?", "answer": "once a week"})


def make(path: Path, chat: FakeChat | None, **settings: Any) -> Any:
    return make_questions(DOCUMENTS, path, search=search, chat=chat, **settings)


# -- material -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "answers"),
    [
        ("The warranty lasts 24 months.", ["24 months"]),
        ("It cost $1,200.50 in all, 3% more than planned.", ["$1,200.50", "3%"]),
        ("The plant was built in 1994 by Pablo Ruiz and IBM in Quito.", ["1994", "Pablo Ruiz", "Quito", "IBM"]),
        ("Warsaw University of Technology has professors.", []),
        ("Version 2.5.1 of article 45(3) is meant.", ["2.5.1"]),
        ("保修期为24个月，电池除外。", ["24个月"]),
        ("他在1998年写了《红楼梦研究》一书。", ["1998年", "《红楼梦研究》"]),
        ("这个系统使用Linux，由“蓝天计划”资助。", ["蓝天计划", "Linux"]),
        ("Nothing to ask for here.", []),
    ],
)
def test_phrases_that_can_be_answers(sentence: str, answers: list[str]) -> None:
    assert answers_in(sentence) == answers


def test_an_answer_stands_once_and_whole() -> None:
    assert answers_in("In 1994 and again in 1994 they came from Lima.") == ["Lima"]
    for phrase in answers_in(PUMPS.replace("\n", " ")):
        assert PUMPS.count(phrase) == 1


def test_the_word_for_a_gap_where_there_is_no_name() -> None:
    assert rarest_word("The filter must be cleaned by the operator.") == "operator"
    assert rarest_word("滤网必须由操作人员清洗。") in ("操作", "人员", "清洗", "滤网", "操作人员")
    assert rarest_word("of the and") == ""


def test_names_are_told_from_openings() -> None:
    assert spans_of_names("In which year did Maria Lopez join the Lima office?") == ["Maria Lopez", "Lima"]
    assert spans_of_names("Who is it?") == []


def test_sentences_are_whole_and_stand_alone() -> None:
    found = {sentence.plain for sentence in Corpus(DOCUMENTS).sentences()}
    assert "The warranty of the K2 pump lasts 24 months from the day of delivery." in found
    assert "员工工作满一年后，每年有15天带薪年假，由部门经理批准。" in found
    assert not any(text.startswith(("It does not", "#", "Pumps")) for text in found)
    for sentence in Corpus(DOCUMENTS).sentences():
        text = next(d.text for d in DOCUMENTS if d.source == sentence.source)
        assert text[sentence.start : sentence.end] == sentence.text


def test_tables_and_code_are_not_asked_about() -> None:
    prose = "The first pump of the series was sold to a farm in 1994 for a low price."
    text = f"{prose}\nThe table says that 12 pumps were sold in 1995 to farms."
    at = text.index("\n") + 1
    corpus = Corpus([Document("t.md", text, blocks=(Block("table", at, len(text)),))])
    assert [sentence.start for sentence in corpus.sentences()] == [0]


def test_documents_take_turns_and_the_seed_decides_the_order() -> None:
    order = [sentence.source for sentence in Corpus(DOCUMENTS, 1).sentences()]
    assert set(order[:4]) == {d.source for d in DOCUMENTS}
    one, again = ([s.key for s in Corpus(docs, 1).sentences()] for docs in (DOCUMENTS, DOCUMENTS[::-1]))
    assert one == again
    assert len({tuple(s.key for s in Corpus(DOCUMENTS, seed).sentences()) for seed in range(6)}) > 1


def test_pairs_share_a_name_across_documents() -> None:
    pairs = list(Corpus(DOCUMENTS).pairs())
    assert pairs
    assert {pair.link for pair in pairs} == {"Maria Lopez"}
    assert all(pair.first.source != pair.second.source for pair in pairs)


def test_a_document_is_called_by_its_title_heading_or_file() -> None:
    assert title_of(Document("a/b.pdf", "x", title="The B")) == "The B"
    assert title_of(DOCUMENTS[0]) == "Pumps"
    assert title_of(Document("a/travel_rules.pdf", "x")) == "travel rules"


# -- checks ---------------------------------------------------------------------------------------------------------

K2 = next(s for s in Corpus(DOCUMENTS).sentences() if "K2" in s.text)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("How long does the warranty of the K2 pump last?", ""),
        ("The warranty of the K2 pump lasts how long", "not one question"),
        ("How long does it last? Who pays?", "not one question"),
        ("What is the warranty and what does it cover exactly?", "not one question"),
        ("What does the passage say about the warranty?", "points at the passage"),
        ("The warranty of the pump lasts ____ months?", "points at the passage"),
        ("文中的保修期是多久？", "points at the passage"),
        ("What is the pump?", "asks for too little"),
    ],
)
def test_the_form_of_a_question(question: str, reason: str) -> None:
    assert checks.form(question) == reason


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("How long does the warranty last?", "24 months", ""),
        ("How long does the warranty last?", "24  MONTHS", ""),
        ("How long does the warranty last?", "36 months", "answer not in the evidence"),
        ("How long does the warranty last?", "4 months", "answer not in the evidence"),
        ("How long does the warranty last?", "", "answer not in the evidence"),
        ("Which warranty lasts 24 months?", "24 months", "gives the answer away"),
        ("How many months does it last?", "delivery", "asks for another kind of thing"),
        ("What lasts?", "The warranty of the K2 pump lasts 24 months from the day", "answers with the whole sentence"),
    ],
)
def test_the_answer_of_a_question(question: str, answer: str, reason: str) -> None:
    assert checks.answer(question, answer, [K2]) == reason


def test_words_and_numbers_come_from_the_evidence() -> None:
    assert checks.grounded("How long does the warranty of the K2 pump last?", [K2]) == ""
    assert checks.grounded("How long did the warranty of 1918 last?", [K2]) == "names something else"
    assert checks.grounded("Which British colony rebelled after the treaty?", [K2]) == "words not in the evidence"


def test_the_round_trip_needs_the_place_not_only_the_document() -> None:
    def found(start: int, end: int, source: str = "pumps.md") -> checks.Search:
        return lambda question, k: [Hit(Chunk("c", "d", source, "", start, end), 1.0, ())]

    assert checks.round_trip("?", [K2], found(0, len(PUMPS)), 5) == ""
    assert checks.round_trip("?", [K2], found(K2.start + 5, K2.end), 5) == ""
    assert checks.round_trip("?", [K2], found(K2.end, len(PUMPS)), 5) == "source not found"
    assert checks.round_trip("?", [K2], found(0, len(PUMPS), "people.md"), 5) == "source not found"
    assert checks.round_trip("?", [K2], lambda question, k: [], 5) == "source not found"


def test_answers_agree_by_half_of_their_tokens() -> None:
    assert checks.agrees("24 months", "for 24 months")
    assert checks.agrees("二十四个月", "二十四个月。")
    assert not checks.agrees("the seller", "24 months")
    assert not checks.agrees("", "24 months")


# -- making ---------------------------------------------------------------------------------------------------------


def test_single_questions_are_answered_by_their_sentence(tmp_path: Path) -> None:
    report = make(tmp_path / "q.jsonl", FakeChat(writer), kinds=["single"], count=9)
    rows = list(read_jsonl(tmp_path / "q.jsonl"))
    one = report.kinds["single"]
    assert (one.kept, one.tried, sum(one.dropped.values())) == (
        len(rows),
        len(rows) + sum(one.dropped.values()),
        one.tried - one.kept,
    )
    assert 3 <= len(rows) == report.new
    for row in rows:
        gold = row.evidence[0]
        assert row.answers[0] in gold.text
        assert gold.text in next(d.text for d in DOCUMENTS if d.source == gold.source)
        assert row.tags == ("synthetic", "single")
        assert row.metadata["document"] == gold.source
        assert row.metadata["made_by"] == "fake-chat"
    assert {row.language for row in rows} == {"en", "zh"}
    assert read_questions(tmp_path / "q.jsonl").examples == tuple(rows)


def test_multi_hop_questions_need_both_documents(tmp_path: Path) -> None:
    make(tmp_path / "q.jsonl", FakeChat(writer), kinds=["multi"])
    (row,) = read_jsonl(tmp_path / "q.jsonl")
    assert row.question == "In which year did the designer of the K3 pump receive the national prize?"
    assert row.answers == ("1994",)
    assert {gold.source for gold in row.evidence} == {"pumps.md", "people.md"}
    assert row.metadata["link"] == "Maria Lopez"


def test_unanswerable_questions_ask_for_what_no_passage_holds(tmp_path: Path) -> None:
    make(tmp_path / "q.jsonl", FakeChat(writer), kinds=["unanswerable"], count=9)
    rows = list(read_jsonl(tmp_path / "q.jsonl"))
    assert rows
    for row in rows:
        assert row.unanswerable
        assert row.answers == ()
        about = next(d.text for d in DOCUMENTS if d.source == row.metadata["document"])
        assert str(row.metadata["old"]) in str(row.metadata["made_from"])
        assert str(row.metadata["new"]) in row.question
        assert str(row.metadata["new"]) not in about


def test_paraphrases_say_it_in_other_words(tmp_path: Path) -> None:
    report = make(tmp_path / "q.jsonl", FakeChat(writer), kinds=["paraphrase"], count=9)
    rows = list(read_jsonl(tmp_path / "q.jsonl"))
    dropped = report.kinds["paraphrase"].dropped
    assert dropped["the same words"] >= 1
    for row in rows:
        assert row.question == "For how many months is the K2 pump under warranty?"
        assert row.metadata["made_from"] == "How long does the warranty of the K2 pump last?"


def test_without_a_model_gaps_and_headings(tmp_path: Path) -> None:
    report = make(tmp_path / "q.jsonl", None, count=30)
    assert list(report.kinds) == ["cloze", "heading"]
    rows = list(read_jsonl(tmp_path / "q.jsonl"))
    gaps = [row for row in rows if "cloze" in row.tags]
    assert len(gaps) >= 5
    for row in gaps:
        gapped = row.question.removeprefix("Fill in the gap: ").removeprefix("填空：")
        assert gapped.replace("____", row.answers[0]) == " ".join(row.evidence[0].text.split())
    (titled,) = [row for row in rows if "heading" in row.tags]
    assert titled.question == "What does Pumps say about Cleaning?"
    assert titled.evidence[0].text.startswith("The filter of every pump")


def test_a_heading_that_is_a_question_is_asked_as_it_is(tmp_path: Path) -> None:
    faq = document(
        "faq.md", "# FAQ\n\n## How do I return a pump?\n\nSend it back in its box within 30 days of delivery.\n"
    )
    hit = Hit(Chunk("f", "f", "faq.md", faq.text, 0, len(faq.text)), 1.0, ())
    make_questions([faq], tmp_path / "q.jsonl", search=lambda question, k: [hit], kinds=["heading"])
    (row,) = read_jsonl(tmp_path / "q.jsonl")
    assert row.question == "How do I return a pump?"


def test_every_form_given_to_the_model_is_a_schema_it_can_fill(tmp_path: Path) -> None:
    chat = FakeChat(writer)
    make(tmp_path / "q.jsonl", chat, count=3)
    assert chat.calls
    for call in chat.calls:
        assert call.schema is not None
        assert problem_of_text(writer(call.messages), call.schema) is None
        limits = [part["maxLength"] for part in call.schema["properties"].values()]  # type: ignore[index]
        assert call.max_tokens > 3 * sum(limits)


def test_a_model_that_talks_nonsense_makes_nothing_and_is_counted(tmp_path: Path) -> None:
    report = make(tmp_path / "q.jsonl", FakeChat("I am a poet"), kinds=["single"])
    one = report.kinds["single"]
    assert one.kept == 0
    assert one.tried == sum(one.dropped.values()) > 0
    assert report.new == 0


def test_the_search_that_finds_nothing_keeps_nothing(tmp_path: Path) -> None:
    report = make_questions(DOCUMENTS, tmp_path / "q.jsonl", search=lambda q, k: [], kinds=["cloze"])
    assert report.kinds["cloze"].dropped == {"source not found": report.kinds["cloze"].tried}


# -- running --------------------------------------------------------------------------------------------------------


def stopping_after(calls: int) -> Callable[[Sequence[Message]], str]:
    left = [calls]

    def reply(messages: Sequence[Message]) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise ModelError("The endpoint is gone.")
        return writer(messages)

    return reply


@pytest.mark.parametrize("calls", [0, 1, 3, 5, 8])
def test_a_run_that_ends_early_is_gone_on_with(tmp_path: Path, calls: int) -> None:
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    make(whole, FakeChat(writer), count=3)
    with pytest.raises(ModelError):
        make(broken, FakeChat(stopping_after(calls)), count=3)
    before = len(list(read_jsonl(broken))) if broken.stat().st_size else 0
    report = make(broken, FakeChat(writer), count=3)
    assert broken.read_bytes() == whole.read_bytes()
    assert report.new == len(list(read_jsonl(whole))) - before
    assert make(broken, FakeChat(stopping_after(0)), count=0 + 1).new == 0  # nothing is left to ask the model


def test_what_a_kill_left_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    make(path, None, count=4)
    whole, log = path.read_bytes(), path.with_name("q.jsonl.attempts.jsonl")
    lines = whole.splitlines(keepends=True)
    attempts = log.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:20])  # killed within a row
    log.write_bytes(b"".join(attempts[:2]) + attempts[2][:9])  # and one row is not in the log yet
    make(path, None, count=4)
    assert path.read_bytes() == whole


def test_more_can_be_asked_for_later(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    make(path, None, kinds=["cloze"], count=2)
    first = path.read_bytes()
    report = make(path, None, kinds=["cloze"], count=4)
    assert path.read_bytes().startswith(first)
    assert (report.new, report.kinds["cloze"].kept) == (2, 4)


def test_threads_change_nothing(tmp_path: Path) -> None:
    make(tmp_path / "one.jsonl", FakeChat(writer), count=3)
    make(tmp_path / "four.jsonl", FakeChat(writer), count=3, threads=4)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "four.jsonl").read_bytes()


def test_progress_tells_each_try(tmp_path: Path) -> None:
    told: list[tuple[str, str, str]] = []
    report = make(tmp_path / "q.jsonl", None, count=3, progress=lambda *one: told.append(one))
    assert len(told) == sum(one.tried for one in report.kinds.values())
    assert sum(outcome == KEPT for _, outcome, _ in told) == report.new


def test_no_question_is_asked_twice(tmp_path: Path) -> None:
    copied = [document("a.md", PUMPS), document("b.md", PUMPS)]
    everywhere = [Hit(Chunk(d.source, d.source, d.source, d.text, 0, len(d.text)), 1.0, ()) for d in copied]
    report = make_questions(copied, tmp_path / "q.jsonl", search=lambda q, k: everywhere, kinds=["cloze"])
    questions = [row.question for row in read_jsonl(tmp_path / "q.jsonl")]
    assert len(set(questions)) == len(questions)
    assert report.kinds["cloze"].dropped["asked before"] == len(questions)


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    with pytest.raises(UnknownName, match="cloze"):
        make(path, None, kinds=["riddle"])
    with pytest.raises(UsageError, match="need a chat model"):
        make(path, None, kinds=["multi"])
    with pytest.raises(UsageError, match="no documents"):
        make_questions([], path, search=search)
    make(path, None, count=1)
    with pytest.raises(UsageError, match="other settings"):
        make(path, None, count=1, seed=2)
    write_questions(tmp_path / "mine.jsonl", [Example("a", "Who?", ("I",))])
    with pytest.raises(UsageError, match="not made here"):
        make(tmp_path / "mine.jsonl", None)
    assert [row.id for row in read_jsonl(tmp_path / "mine.jsonl")] == ["a"]


def test_kinds_with_and_without_a_model() -> None:
    assert {name for name, kind in KINDS.items() if kind.needs_chat} == set(WITH_CHAT)


# -- real -----------------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(("name", "kinds", "least"), [("en", ["single", "cloze"], 2), ("zh", ["cloze"], 5)])
def test_real_documents_and_the_embedded_models(
    tmp_path: Path, shared_data: Path, name: str, kinds: list[str], least: int
) -> None:
    """XQuAD's paragraphs, the embedded models, the real search; what is kept holds what it promises."""
    from trivium.models.chat import open_chat

    articles = json.loads((shared_data / f"xquad/xquad.{name}.json").read_text("utf-8"))["data"][:12]
    texts = {f"{a['title']}/{n}": p["context"] for a in articles for n, p in enumerate(a["paragraphs"])}
    base = trivium.open(tmp_path / "kb")
    base.add([Document(source, text, title=source.split("/")[0]) for source, text in texts.items()])
    documents = [base.document(info.id) for info in base.documents()]
    report = make_questions(
        [d for d in documents if d],
        tmp_path / "q.jsonl",
        search=lambda question, k: base.search(question, k=k),
        chat=open_chat(),
        kinds=kinds,
        count=5,
    )
    rows = list(read_jsonl(tmp_path / "q.jsonl"))
    assert len(rows) >= least
    assert "not in the form asked for" not in {reason for one in report.kinds.values() for reason in one.dropped}
    for row in rows:
        gold = row.evidence[0]
        assert checks.holds(gold.text, row.answers[0])
        assert gold.text in texts[gold.source]
        assert any(gold.source == hit.chunk.source for hit in base.search(row.question, k=5))
        assert "cloze" in row.tags or row.question.endswith(("?", "？"))


def test_a_sentence_is_known_by_place_and_words() -> None:
    one = Sentence("a", "", "", "Text.", 0, 5, "en")
    assert one.key != Sentence("a", "", "", "Text!", 0, 5, "en").key != Sentence("a", "", "", "Text!", 1, 6, "en").key
