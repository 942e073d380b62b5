"""Formats of which no real file is at hand, in small samples written by their published layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trivium.errors import UsageError
from trivium.tasks.formats.conflict import read_conflict
from trivium.tasks.formats.rgb import read_rgb
from trivium.tasks.questions import QuestionSet, count_problems, read_questions
from trivium.tasks.records import Problem
from trivium.types import Example, Gold


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(document: Any, *, lines: bool = False, corpus: Any = None) -> QuestionSet:
        """Read a set named `s` that was written as one JSON document, or as lines."""
        rows = document if lines else [document]
        (tmp_path / "s.json").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
        if corpus is not None:
            (tmp_path / "corpus.json").write_text(json.dumps(corpus), "utf-8")
        return read_questions(tmp_path / "s.json", corpus=tmp_path / "corpus.json" if corpus is not None else None)

    return read


def one(found: QuestionSet, format: str) -> Example:
    assert found.format == format
    assert found.problems == ()
    [example] = found.examples
    return example


def test_drcd(read) -> None:
    context = "2010年引進的廣州快速公交運輸系統，屬世界第二大快速公交系統。"
    qa = {
        "id": "1001-10-1",
        "question": "廣州的快速公交是何時引進的？",
        "answers": [{"id": "1", "text": "2010年", "answer_start": 0}],
    }
    article = {"title": "廣州", "id": "1001", "paragraphs": [{"context": context, "id": "1001-10", "qas": [qa]}]}
    example = one(read({"version": "1.3", "data": [article]}), "squad")
    assert example.answers == ("2010年",)
    assert example.evidence == (Gold("s/廣州/0", context),)
    assert example.language == "zh"


def test_covid_qa_has_whole_papers_and_no_titles(read) -> None:
    context = "Functional genetic analysis. " * 200 + "The cohort had 120 patients. It was small."
    answers = [{"text": "120 patients", "answer_start": context.index("120")}]
    qa = {"question": "How many patients?", "id": 262, "answers": answers, "is_impossible": False}
    paper = {"paragraphs": [{"qas": [qa], "context": context, "document_id": 630}]}
    example = one(read({"data": [paper]}), "squad")
    assert example.id == "262"
    assert example.evidence == (Gold("s/630/0", "The cohort had 120 patients."),)


def test_squad_in_the_hubs_layout(read) -> None:
    rows = [
        {
            "id": "a",
            "title": "T",
            "context": "It is blue.",
            "question": "Which?",
            "answers": {"text": ["blue"], "answer_start": [6]},
        },
        {
            "id": "b",
            "title": "T",
            "context": "It is blue.",
            "question": "Who?",
            "answers": {"text": [], "answer_start": []},
        },
    ]
    found = read(rows, lines=True)
    assert [example.unanswerable for example in found.examples] == [False, True]
    assert len(found.documents) == 1
    assert found.examples[0].evidence[0].source == found.documents[0].source


def test_mrqa_with_its_header(read) -> None:
    header = {"header": {"dataset": "SQuAD", "split": "dev"}}
    qa = {
        "qid": "q1",
        "question": "Which?",
        "answers": ["blue"],
        "detected_answers": [{"text": "blue", "char_spans": [[6, 9]]}],
    }
    found = read([header, {"id": "", "context": "It is blue.", "qas": [qa]}], lines=True)
    assert [(e.id, e.answers) for e in found.examples] == [("q1", ("blue",))]
    assert count_problems(found.problems) == {"unknown form": 1}


def test_the_first_form_of_cmrc(read) -> None:
    qa = {"query_text": "何时？", "query_id": "D0_Q0", "answers": ["1990年", "1990年"]}
    example = one(read([{"context_id": "D0", "context_text": "它始于1990年。", "title": "甲", "qas": [qa]}]), "squad")
    assert (example.id, example.answers, example.evidence) == ("D0_Q0", ("1990年",), (Gold("s/甲", "它始于1990年。"),))


@pytest.mark.parametrize(
    ("answer", "start", "kind", "proof"),
    [
        ("blue", 3, "offset repaired", "The sea is blue."),
        ("blue", 9_999, "offset repaired", "Blue is blue."),
        ("blue", -4, "offset repaired", "The sea is blue."),
        ("the  Sea", 0, "offset repaired", "The sea is blue."),
        ("red", 4, "answer not in its passage", "The sea is blue. The sky is grey. Blue is blue."),
    ],
)
def test_offsets_are_repaired_or_reported(read, answer: str, start: int, kind: str, proof: str) -> None:
    context = "The sea is blue. The sky is grey. Blue is blue."
    qa = {"id": "1", "question": "Which?", "answers": [{"text": answer, "answer_start": start}]}
    found = read({"data": [{"title": "T", "paragraphs": [{"context": context, "qas": [qa]}]}]})
    assert found.examples[0].answers == (answer,)
    assert found.examples[0].evidence == (Gold("s/T/0", proof),)
    assert [(problem.where, problem.kind) for problem in found.problems] == [
        ("s.json[data][0].paragraphs[0].qas[0]", kind)
    ]


def test_a_broken_question_does_not_stop_its_paragraph(read) -> None:
    good = {"id": "1", "question": "Which?", "answers": [{"text": "blue", "answer_start": 6}]}
    broken: list[Any] = [None, 7, {}, {"question": "W?", "answers": 7}, {"question": "W?", "answers": [{"x": 1}]}]
    paragraphs: list[Any] = [
        {"context": "It is blue.", "qas": [*broken, good]},
        {"qas": []},
        {"context": 7, "qas": []},
        None,
    ]
    found = read({"data": [{"title": "T", "paragraphs": paragraphs}]})
    assert [example.id for example in found.examples] == ["1"]
    assert count_problems(found.problems) == {"malformed": len(broken) + 3}


def test_impossible_with_answers_is_a_contradiction(read) -> None:
    qa = {"id": "1", "question": "W?", "is_impossible": True, "answers": [{"text": "blue", "answer_start": 6}]}
    found = read({"data": [{"title": "T", "paragraphs": [{"context": "It is blue.", "qas": [qa]}]}]})
    assert found.examples[0].unanswerable
    assert found.examples[0].answers == ()
    assert count_problems(found.problems) == {"contradiction": 1}


def test_rgb_answers_of_all_forms(tmp_path: Path) -> None:
    base = {"id": 1, "query": "When?", "positive": ["May 2 it was"], "negative": ["no"]}
    rows = [
        {**base, "answer": a} for a in ("May 2", ["May 2", "Rome"], [["May 2", "2 May"], "Rome"], [["May 2", "2 May"]])
    ]
    rows.append({**base, "answer": "May 2", "fakeanswer": ["May 3"], "positive_wrong": ["May 3 it was"]})
    path = tmp_path / "r.json"
    path.write_text("\n".join(map(json.dumps, [*rows, {**base, "answer": None}, {"query": "x"}])))
    problems: list[Problem] = []
    found = read_rgb(path, problems=problems)
    assert [row.parts for row in found] == [
        (("May 2",),),
        (("May 2",), ("Rome",)),
        (("May 2", "2 May"), ("Rome",)),
        (("May 2", "2 May"),),
        (("May 2",),),
    ]
    assert [row.kind for row in found] == ["refine"] * 4 + ["fact"]
    assert [problem.where for problem in problems] == ["r.json:6", "r.json:7"]
    with pytest.raises(UsageError, match=r"r\.json:6"):
        read_rgb(path)


def test_conflicts_with_both_sides(tmp_path: Path) -> None:
    swap = {
        "question": "Who?",
        "org_context": "Ada did.",
        "org_answer": ["Ada"],
        "sub_context": "Bob did.",
        "sub_answer": ["Bob"],
    }
    confiqa = {
        "question": "Where?",
        "orig_context": "In Rome.",
        "orig_answer": "Rome",
        "orig_alias": ["Roma"],
        "cf_context": "In Oslo.",
        "cf_answer": "Oslo",
        "cf_alias": ["Christiania"],
    }
    path = tmp_path / "c.json"
    path.write_text(json.dumps([swap, confiqa]))
    first, second = read_conflict(path)
    assert (first.context, first.answers, first.swapped_context, first.swapped_answers) == (
        "Ada did.",
        ("Ada",),
        "Bob did.",
        ("Bob",),
    )
    assert (second.answers, second.swapped_answers) == (("Rome", "Roma"), ("Oslo", "Christiania"))
    found = read_questions(path)
    assert found.format == "conflict"
    assert [document.text for document in found.documents] == ["Ada did.", "In Rome."]
    assert found.examples[1].answers == ("Rome", "Roma")
    path.write_text('[{"question": "Who?"}]')
    with pytest.raises(UsageError, match="cf_context"):
        read_conflict(path)


def test_musique_unanswerable(read) -> None:
    paragraph = {"idx": 0, "title": "A", "paragraph_text": "Words.", "is_supporting": False}
    row = {
        "id": "2hop__1_2",
        "paragraphs": [paragraph],
        "question": "W?",
        "question_decomposition": [],
        "answer": "x",
        "answer_aliases": [],
        "answerable": False,
    }
    example = one(
        read(
            [
                row,
            ],
            lines=True,
        ),
        "musique",
    )
    assert example.unanswerable
    assert example.answers == ()
    assert example.tags == ("2hop",)


def test_multihop_rag_with_its_articles(read) -> None:
    fact = {
        "title": "On pumps",
        "fact": "Pumps pump.",
        "source": "Paper",
        "url": "x",
        "author": "A",
        "category": "c",
        "published_at": "d",
    }
    rows = [
        {"query": "Which?", "answer": "Pumps", "question_type": "inference_query", "evidence_list": [fact]},
        {"query": "Who?", "answer": "Insufficient information.", "question_type": "null_query", "evidence_list": []},
    ]
    article = {"title": "On pumps", "author": "A", "body": "Much is said. Pumps pump. And so on."}
    found = read(rows, corpus=[article])
    assert found.examples[0].evidence == (Gold("s/On pumps", "Pumps pump."),)
    assert found.examples[1].unanswerable
    assert found.documents[0].text == "# On pumps\n\nMuch is said. Pumps pump. And so on."
    assert [(h.title, h.start, h.end) for h in found.documents[0].headings] == [("On pumps", 0, 10)]


def test_strategyqa_with_its_paragraphs(read) -> None:
    row = {
        "qid": "a1", "term": "Pump", "description": "d", "question": "Do pumps pump?", "answer": True,
        "facts": ["They do."],
        "decomposition": ["W?"], "evidence": [[[["Pump-1"]], [["Pump-1", "Sea-2"], "operation"], ["no_evidence"]]],
    }  # fmt: skip
    corpus = {
        "Pump-1": {"title": "Pump", "content": "Pumps pump."},
        "Sea-2": {"title": "Sea", "content": "It is blue."},
    }
    example = one(read([row], corpus=corpus), "strategyqa")
    assert example.answers == ("yes",)
    assert {gold.text.split("\n")[-1] for gold in example.evidence} == {"Pumps pump.", "It is blue."}


def test_pubmedqa_in_the_hubs_layout(read) -> None:
    row = {
        "pubid": 7,
        "question": "Do they?",
        "context": {"contexts": ["One.", "Two."], "labels": ["A", "B"]},
        "long_answer": "They do.",
        "final_decision": "maybe",
    }
    example = one(read([row], lines=True), "pubmedqa")
    assert (example.id, example.answers, example.choices) == ("7", ("maybe",), ("yes", "no", "maybe"))
    assert [gold.text for gold in example.evidence] == ["One.", "Two."]


def test_crud_of_all_tasks(read) -> None:
    document = {
        "event_summary": [{"ID": "e", "event": "E", "text": "x", "summary": "y"}],
        "questanswer_1doc": [
            {"ID": "a", "event": "E", "news1": "水泵的保修期是两年。", "questions": "保修期多长？", "answers": "两年"}
        ],
        "questanswer_2docs": [
            {"ID": "b", "event": "E", "news1": "甲。", "news2": "乙。", "questions": "哪两个？", "answers": "无法推断"}
        ],
    }
    found = read(document)
    assert [(e.id, e.answers, e.unanswerable, e.tags) for e in found.examples] == [
        ("a", ("两年",), False, ("questanswer_1doc",)),
        ("b", (), True, ("questanswer_2docs",)),
    ]
    assert found.examples[0].evidence == (Gold("s/a/1", "水泵的保修期是两年。"),)
    assert count_problems(found.problems) == {"unknown form": 1}


@pytest.mark.parametrize(
    ("row", "question", "tag"),
    [
        ({"knowledge": "K.", "question": "Who?", "right_answer": "R", "hallucinated_answer": "H"}, "Who?", "question"),
        (
            {"knowledge": "K.", "dialogue_history": "[Human]: Hi", "right_response": "R", "hallucinated_response": "H"},
            "[Human]: Hi",
            "dialogue",
        ),
        ({"document": "K.", "right_summary": "R", "hallucinated_summary": "H"}, "Summarise the document.", "summary"),
    ],
)
def test_halueval_pairs(read, row: dict[str, str], question: str, tag: str) -> None:
    example = one(read([row], lines=True), "halueval")
    assert (example.question, example.answers, example.tags) == (question, ("R",), (tag,))
    assert example.metadata["hallucinated"] == "H"
    assert example.evidence[0].text == "K."


def test_truthfulqa_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"
        'A,Law,"Who, then?",I,I; me,You; they,x\n'
    )
    example = one(read_questions(path), "truthfulqa")
    assert example.answers == ("I", "me")
    assert example.choices == ("I", "You", "they")


def test_fever(read) -> None:
    rows = [
        {
            "id": 1,
            "verifiable": "VERIFIABLE",
            "label": "SUPPORTS",
            "claim": "It is so.",
            "evidence": [[[1, 2, "Sea_water", 0]]],
        },
        {
            "id": 2,
            "verifiable": "NOT VERIFIABLE",
            "label": "NOT ENOUGH INFO",
            "claim": "It may be.",
            "evidence": [[[3, None, None, None]]],
        },
        {"id": 3, "claim": "Of the test set."},
        {"id": 4, "label": "MAYBE", "claim": "Odd."},
    ]
    found = read(rows, lines=True)
    assert [e.answers for e in found.examples] == [("SUPPORTS",), ("NOT ENOUGH INFO",), ()]
    assert found.examples[0].evidence == (Gold("s/Sea_water", ""),)
    assert found.examples[1].evidence == ()
    assert count_problems(found.problems) == {"no answer": 1, "malformed": 1}


def test_scifact_as_its_authors_publish_it(read) -> None:
    rows = [
        {
            "id": 1,
            "claim": "A does B.",
            "evidence": {"31": [{"sentences": [1], "label": "CONTRADICT"}]},
            "cited_doc_ids": [31],
        },
        {"id": 2, "claim": "C does D.", "evidence": {}, "cited_doc_ids": [31]},
    ]
    corpus = [{"doc_id": 31, "title": "On A", "abstract": ["First.", "A does not do B."], "structured": False}]
    found = read(rows, lines=True, corpus=corpus)
    assert [e.answers for e in found.examples] == [("REFUTES",), ("NOT ENOUGH INFO",)]
    assert found.examples[0].evidence == (Gold("s/On A", "A does not do B."),)


def test_other_claims(read) -> None:
    climate = {
        "claim_id": "0",
        "claim": "It warms.",
        "claim_label": "SUPPORTS",
        "evidences": [
            {"evidence_id": "E:1", "evidence_label": "SUPPORTS", "article": "Climate", "evidence": "It does warm."}
        ],
    }
    vitamin = {"unique_id": "u", "claim": "It is so.", "evidence": "It is not so.", "label": "REFUTES", "page": "So"}
    hover = {"uid": "h", "claim": "Both are.", "supporting_facts": [["Sea", 0], ["Sky", 1]], "label": "NOT_SUPPORTED"}
    found = read([climate, vitamin, hover], lines=True)
    assert [e.answers[0] for e in found.examples] == ["SUPPORTS", "REFUTES", "NOT ENOUGH INFO"]
    assert [gold.text for e in found.examples for gold in e.evidence] == ["It does warm.", "It is not so.", "", ""]


def test_asqa_as_published(read) -> None:
    pairs = [
        {
            "context": "No context provided",
            "question": "When in Rome?",
            "short_answers": ["1990", "MCMXC"],
            "wikipage": None,
        },
        {"context": "In Oslo it was 1991.", "question": "When in Oslo?", "short_answers": ["1991"], "wikipage": "Oslo"},
    ]
    notes = [
        {
            "knowledge": [{"content": "In Rome it was 1990.", "wikipage": "Rome"}],
            "long_answer": "1990 in Rome, 1991 in Oslo.",
        }
    ]
    row = {"ambiguous_question": "When?", "qa_pairs": pairs, "wikipages": [], "annotations": notes}
    example = one(read({"dev": {"-77": row}}), "asqa")
    assert example.id == "-77"
    assert example.answers == ("1990 in Rome, 1991 in Oslo.",)
    assert example.parts == (("1990", "MCMXC"), ("1991",))
    assert [gold.text for gold in example.evidence] == ["In Rome it was 1990.", "In Oslo it was 1991."]


def test_eli5_best_answer_first(read) -> None:
    row = {
        "q_id": "5l",
        "title": "Why?",
        "selftext": "Really.",
        "subreddit": "x",
        "answers": {"a_id": ["a", "b"], "text": ["low", "high"], "score": [1, 9]},
    }
    example = one(read([row], lines=True), "eli5")
    assert example.answers == ("high", "low")
    assert example.question == "Why?\n\nReally."


def test_kilt(read) -> None:
    row = {"id": "k", "input": "Why?", "output": [{"answer": "So.", "provenance": [{"title": "Sea"}]}, {"meta": {}}]}
    example = one(read([row], lines=True), "kilt")
    assert (example.answers, example.evidence) == (("So.",), (Gold("s/Sea", ""),))


ARC = {"id": "M_1", "answerKey": "B"}


@pytest.mark.parametrize(
    "row",
    [
        {
            **ARC,
            "question": {"stem": "Which?", "choices": [{"text": "red", "label": "A"}, {"text": "blue", "label": "B"}]},
        },
        {**ARC, "question": "Which?", "choices": {"text": ["red", "blue"], "label": ["A", "B"]}},
        {**ARC, "answerKey": "2", "question": "Which?", "choices": {"text": ["red", "blue"], "label": ["1", "2"]}},
        {"id": "M_1", "question": "Which?", "choices": ["red", "blue"], "answer": 1, "subject": "x"},
        {"id": "M_1", "question": "Which?", "options": {"A": "red", "B": "blue"}, "answer": "blue", "answer_idx": "B"},
        {"id": "M_1", "question": "Which?", "A": "red", "B": "blue", "answer": "B"},
        {"id": "M_1", "question": "Which?", "options": ["red", "blue"], "answer": "B", "article": "It is blue."},
        {
            "id": "M_1",
            "question_stem": "Which?",
            "choices": {"text": ["red", "blue"], "label": ["A", "B"]},
            "answerKey": "B",
        },
        {"id": "M_1", "question": "Which?", "choices": ["red", "blue"], "answer": "blue"},
    ],
)
def test_multiple_choice(read, row: dict[str, Any]) -> None:
    example = one(read([row], lines=True), "choice")
    assert (example.id, example.question, example.answers) == ("M_1", "Which?", ("blue",))
    assert example.choices == ("red", "blue")


def test_sciq_and_an_answer_outside_the_choices(read) -> None:
    row = {
        "question": "Which?",
        "distractor1": "red",
        "distractor2": "green",
        "distractor3": "grey",
        "correct_answer": "blue",
        "support": "It is blue.",
    }
    example = one(read([row], lines=True), "choice")
    assert (example.answers, len(example.choices), example.evidence[0].text) == (("blue",), 4, "It is blue.")
    found = read(
        [{"question": "W?", "choices": ["a", "b"], "answer": answer} for answer in ("z", 2, "A", 0)], lines=True
    )
    assert [e.answers for e in found.examples] == [("a",), ("a",)]
    assert count_problems(found.problems) == {"malformed": 2, "repeated question": 1}


def test_ragas_rows(read) -> None:
    row = {
        "user_input": "Who?",
        "reference": "Ada.",
        "reference_contexts": ["Ada did it."],
        "retrieved_contexts": ["x"],
    }
    example = one(read([row], lines=True), "plain")
    assert example.answers == ("Ada.",)
    assert [gold.text for gold in example.evidence] == ["Ada did it."]


def test_evidence_that_names_the_users_documents(read) -> None:
    row = {"id": "1", "question": "Who?", "answers": ["Ada"], "evidence": [{"source": "a.pdf", "text": "Ada did it."}]}
    found = read([row], lines=True)
    assert found.examples[0].evidence == (Gold("a.pdf", "Ada did it."),)
    assert found.documents == ()


def test_context_beside_the_question(read) -> None:
    rows = [
        {"question": "Who?", "answer": "Ada", "context": "Ada did it."},
        {"question": "Which?", "answer": "blue", "contexts": ["It is red.", "It is blue."], "title": "Colours"},
    ]
    found = read(rows, lines=True)
    assert [gold.text for e in found.examples for gold in e.evidence] == ["Ada did it.", "It is blue."]
    assert len(found.documents) == 3
