"""Every format on a real file of it: counts against the raw file, and evidence that stands in the passages."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trivium.tasks.formats.collections import read_qrels
from trivium.tasks.formats.conflict import read_conflict
from trivium.tasks.formats.rgb import read_rgb
from trivium.tasks.questions import QuestionSet, count_problems, read_questions

Find = Callable[[str], Path]


@pytest.fixture
def find(shared_data: Path) -> Find:
    def find(name: str) -> Path:
        path = shared_data / name
        if not path.exists():
            pytest.skip(f"no {name} in the folder of real data")
        return path

    return find


def raw(path: Path) -> list[Any]:
    """The records of a file, read by another way than the package's."""
    text = path.read_text("utf-8")
    try:
        document = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    return document if isinstance(document, list) else list(document.values())


def unproven(questions: QuestionSet) -> list[str]:
    """The questions of which a piece of evidence does not stand, word for word, in the document that it names."""
    texts = {document.source: document.text for document in questions.documents}
    return [
        example.id
        for example in questions.examples
        if any(gold.text not in texts.get(gold.source, "") for gold in example.evidence)
    ]


SQUAD = [
    ("squad/dev-v2.0.json", "en"),
    ("squad/test-v1.1.json", "en"),
    ("squad_jucho/dev.json", "en"),
    ("squad_zh/dev-v2.0-zh.json", "zh"),
    ("cmrc2018/cmrc2018_dev.json", "zh"),
    ("cmrc2018/cmrc2018_trial.json", "zh"),
    ("xquad/xquad.en.json", "en"),
    ("xquad/xquad.zh.json", "zh"),
]


@pytest.mark.parametrize(("name", "language"), SQUAD)
def test_squad(find: Find, name: str, language: str) -> None:
    path = find(name)
    articles = json.loads(path.read_text("utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    qas = [qa for paragraph in paragraphs for qa in paragraph["qas"]]
    found = read_questions(path)
    assert found.format == "squad"
    empty = [problem for problem in found.problems if problem.kind == "malformed"]
    assert len(found.examples) == len(qas) - len(empty)
    assert len(empty) == sum(not qa["question"].strip() for qa in qas)
    assert len(found.documents) == len({(a["title"], p["context"]) for a in articles for p in a["paragraphs"]})
    assert {example.language for example in found.examples} == {language}
    assert sum(e.unanswerable for e in found.examples) == sum(bool(qa.get("is_impossible")) for qa in qas)
    assert unproven(found) == []
    texts = {document.source: document.text for document in found.documents}
    for example in found.examples:
        assert example.unanswerable == (not example.answers)
        assert example.metadata["document"] in texts
        if not example.unanswerable:
            [gold] = example.evidence
            assert gold.source == example.metadata["document"]


@pytest.mark.parametrize(("name", "language"), SQUAD)
def test_offsets_that_do_not_match_are_counted(find: Find, name: str, language: str) -> None:
    path = find(name)
    wrong = lost = 0
    for article in json.loads(path.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                for answer in qa["answers"] if qa["question"].strip() and not qa.get("is_impossible") else ():
                    start, words, context = answer["answer_start"], answer["text"], paragraph["context"]
                    wrong += not context.startswith(words, start)
                    lost += "".join(words.split()).lower() not in "".join(context.split()).lower()
    counts = count_problems(read_questions(path).problems)
    assert counts.get("offset repaired", 0) + counts.get("answer not in its passage", 0) == wrong
    assert counts.get("answer not in its passage", 0) >= lost


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("multihop/hotpot.json", "hotpotqa"),
        ("multihop/hotpot_dev_distractor_v1.json", "hotpotqa"),
        ("multihop/hotpotqa_train.json", "hotpotqa"),
        ("multihop/wikihop.json", "hotpotqa"),
        ("multihop/musique.json", "musique"),
        ("multihop/musique_train.json", "musique"),
        ("multihop/multihoprag_chunks.json", "multihop-rag"),
        ("popqa/popqa.json", "popqa"),
        ("pubmedqa/ori_pqal.json", "pubmedqa"),
        ("strategyqa/dev.json", "strategyqa"),
        ("strategyqa/train.json", "strategyqa"),
        ("financebench/financebench_open_source.jsonl", "financebench"),
        ("dureader/search.train.json", "dureader"),
        ("halu/dataset_halluqa.json", "halluqa"),
        ("halu/dataset_uhgeval_concise.jsonl", "uhgeval"),
        ("halu/general_data.json", "halueval"),
        ("rgb/en_fact.json", "rgb"),
        ("rgb/zh_fact.json", "rgb"),
        ("rgb/zh_int.json", "rgb"),
        ("rgb/zh_refine.json", "rgb"),
        ("conflict/nq-swap_dev.json", "plain"),
        ("conflict/confiqa-mc_dev.json", "plain"),
        ("nq/NQ-open.dev.jsonl", "plain"),
        ("nq/odqa.json", "plain"),
        ("beir/beir_fiqa_test.json", "plain"),
        ("beir/beir_scifact_test.json", "plain"),
    ],
)
def test_a_record_is_a_question(find: Find, name: str, format: str) -> None:
    path = find(name)
    rows = raw(path)
    found = read_questions(path)
    assert found.format == format
    assert len(found.examples) == len(rows)
    assert "malformed" not in count_problems(found.problems)
    assert len({example.id for example in found.examples}) == len(rows)
    asked = [(row.get("question") or row.get("query") or row.get("QUESTION") or "").strip() for row in rows]
    for example, words in zip(found.examples, asked, strict=True):
        assert not words or example.question == words
    lost = [problem for problem in found.problems if problem.kind == "evidence not in the set"]
    if not lost:
        assert unproven(found) == []
    assert len({document.source for document in found.documents}) == len(found.documents)


def test_hotpot_evidence_is_the_supporting_sentences(find: Find) -> None:
    path = find("multihop/hotpotqa_train.json")
    for row, example in zip(raw(path), read_questions(path).examples, strict=True):
        passages = dict(row["context"])
        expected = {passages[title][number].strip() for title, number in row["supporting_facts"]}
        assert {gold.text for gold in example.evidence} == expected
        assert example.answers == (row["answer"],)
        assert {row["type"], row["level"]} == set(example.tags)


def test_hotpot_in_the_hubs_layout(find: Find) -> None:
    path = find("multihop/hotpot_dev_distractor_v1.json")
    for row, example in zip(raw(path), read_questions(path).examples, strict=True):
        assert {gold.source.split("/", 1)[1] for gold in example.evidence} == set(row["supporting_facts"]["title"])


def test_2wiki_without_its_passages_is_reported(find: Find) -> None:
    path = find("multihop/wikihop.json")
    bare = [row for row in raw(path) if "context" not in row]
    counted = count_problems(read_questions(path).problems)
    assert counted.get("evidence not in the set", 0) == sum(len(row["supporting_facts"]) for row in bare)
    with_corpus = read_questions(path, corpus=find("multihop/2wikimultihopqa_corpus.json"))
    assert count_problems(with_corpus.problems).get("evidence not in the set", 0) <= counted["evidence not in the set"]


def test_a_corpus_published_apart(find: Find) -> None:
    for name in ("hotpotqa_train", "musique_train"):
        corpus = raw(find(f"multihop/{name}_corpus.json"))
        found = read_questions(find(f"multihop/{name}.json"), corpus=find(f"multihop/{name}_corpus.json"))
        assert len(found.documents) == len(corpus)  # the same passages stand with the questions, and count once
        assert unproven(found) == []
    articles = find("crud/documents_dup_part_1_part_1")
    found = read_questions(find("crud/QuestAnswer1Doc_quest_gt_save.json"), corpus=articles)
    lines = [line.strip() for line in articles.read_text("utf-8").split("\n") if line.strip()]
    assert len(found.documents) == len(set(lines))


def test_crud(find: Find) -> None:
    for name in ("crud/QuestAnswer1Doc_quest_gt_save.json", "crud/QuestAnswer2Docs_quest_gt_save.json"):
        rows = raw(find(name))
        found = read_questions(find(name))
        matched = [row for row in rows if len(row["question"]) == len(row["answers"])]
        assert len(found.examples) == sum(len(row["question"]) for row in matched)
        assert count_problems(found.problems).get("malformed", 0) == len(rows) - len(matched)
        answers = [answer for row in matched for answer in row["answers"]]
        assert sum(e.unanswerable for e in found.examples) == sum(a.startswith("无法推断") for a in answers)
        assert {example.language for example in found.examples} == {"zh"}


def test_rgb_rows(find: Find) -> None:
    for name in ("en_fact", "zh_fact", "zh_int", "zh_refine"):
        path = find(f"rgb/{name}.json")
        rows = read_rgb(path)
        assert {row.kind for row in rows} == {name.split("_")[1]}
        assert {row.language for row in rows} == {name.split("_")[0]}
        for given, row in zip(raw(path), rows, strict=True):
            answer = given["answer"] if isinstance(given["answer"], list) else [given["answer"]]
            assert len(row.parts) == len(answer)
            assert list(row.negative) == [passage.strip() for passage in given["negative"]]
            if row.kind == "int":
                numbered = [part for key in ("asnwer1", "answer2") for part in given[key]]
                assert row.parts == tuple(tuple(p) if isinstance(p, list) else (p,) for p in numbered)
                assert len(row.positive) == len(given["positive"]) > 1
            else:
                assert [passage.strip() for passage in given["positive"]] == list(row.positive[0])
            if row.kind == "fact":
                false = given["fakeanswer"]
                false = false if isinstance(false, list) else [false]
                assert row.false_answers == tuple(answer.strip() for answer in false)
                assert list(row.positive_wrong) == [passage.strip() for passage in given["positive_wrong"]]


def test_rgb_parts_of_the_misspelt_key(find: Find) -> None:
    from trivium.tasks.formats.rgb import rgb_row

    for given in raw(find("rgb/zh_int.json")):
        whole = rgb_row(given).parts
        assert rgb_row({key: value for key, value in given.items() if key != "answer"}).parts == whole


def test_false_passages_stay_out_of_the_documents(find: Find) -> None:
    path = find("rgb/en_fact.json")
    texts = {document.text for document in read_questions(path).documents}
    true = {passage.strip() for row in raw(path) for key in ("positive", "negative") for passage in row[key]}
    assert texts == true


def test_conflict_rows(find: Find) -> None:
    questions = read_questions(find("nq/NQ-open.dev.jsonl"))
    rows = read_conflict(find("conflict/nq-swap_dev.json"), originals=questions.examples)
    assert len(rows) == len(raw(find("conflict/nq-swap_dev.json")))
    holding = sum(row.swapped_answers[0].lower() in row.swapped_context.lower() for row in rows)
    assert holding == len(rows)
    known = [row for row in rows if row.answers]
    assert len(known) > len(rows) / 2
    assert all(set(row.answers) != set(row.swapped_answers) for row in known)
    assert len({row.id for row in rows}) == len(rows)


def test_cranfield_numbers_queries_by_position(find: Find) -> None:
    folder = find("cranfield")
    lines = (folder / "query_numbers.tsv").read_text().splitlines()[1:]
    by_id = {id: position for position, id in (line.split() for line in lines)}
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "cranqrel").read_text().splitlines():
        query, document, code = line.split()
        judged.setdefault(query, {})[document] = int(code)
    empty = {"471", "995"}  # documents of the collection that have no text
    found = read_questions(folder)
    assert found.format == "smart"
    assert len(found.examples) == len(by_id)
    for example in found.examples:
        grades = judged[by_id[example.id]]
        relevant = {document for document, code in grades.items() if code > 0}
        assert {gold.source for gold in example.evidence} == {f"cranfield/{document}" for document in relevant}
        kept = {key.split("/")[1]: grade for key, grade in json.loads(str(example.metadata["grades"])).items()}
        assert kept == {document: 5 - grades[document] for document in relevant}
        assert all(bool(gold.text) != (gold.source.split("/")[1] in empty) for gold in example.evidence)
    assert {problem.where.split()[-1] for problem in found.problems if problem.kind == "malformed"} == empty
    assert read_questions(folder / "cran.qry").examples[0].question == found.examples[0].question


def test_cacm_in_trecs_form(find: Find) -> None:
    folder = find("cacm")
    judged = [line.split() for line in (folder / "qrels.cacm.txt").read_text().splitlines()]
    found = read_questions(folder)
    assert len(found.documents) == 3204
    assert len(found.examples) == len({line[0] for line in judged})
    assert sum(len(example.evidence) for example in found.examples) == len(judged)
    assert unproven(found) == []
    first = next(document for document in found.documents if document.source == "cacm/CACM-1410")
    assert first.title == "Interarrival Statistics for Time Sharing Systems"
    assert "\n1410\t5\t1410" not in first.text
    assert read_qrels(folder / "qrels.cacm.txt")["1"]["CACM-1410"] == 1


def test_financebench_pages(find: Find) -> None:
    path = find("financebench/financebench_open_source.jsonl")
    found = read_questions(path)
    for row, example in zip(raw(path), found.examples, strict=True):
        assert [gold.text for gold in example.evidence] == [piece["evidence_text"].strip() for piece in row["evidence"]]
        assert example.metadata["document"] == row["doc_name"]


def test_nq_open_gives_alternatives(find: Find) -> None:
    path = find("nq/NQ-open.dev.jsonl")
    for row, example in zip(raw(path), read_questions(path).examples, strict=True):
        assert example.answers == tuple(dict.fromkeys(answer.strip() for answer in row["answer"]))
        assert example.parts == ()


def test_dureader_evidence_is_of_selected_pages(find: Find) -> None:
    path = find("dureader/search.train.json")
    found = read_questions(path)
    for row, example in zip(raw(path), found.examples, strict=True):
        assert len(example.evidence) <= sum(page["is_selected"] for page in row["documents"])
        assert bool(example.answers) == bool(row["answers"])


def test_sets_written_in_the_one_form_read_the_same(find: Find, tmp_path: Path) -> None:
    from trivium.tasks.questions import write_questions

    for name in ("xquad/xquad.zh.json", "multihop/musique.json", "rgb/zh_int.json", "dureader/search.train.json"):
        examples = read_questions(find(name)).examples
        write_questions(tmp_path / "q.jsonl", examples)
        assert read_questions(tmp_path / "q.jsonl").examples == examples


JUNK: list[Any] = [
    None,
    7,
    -1.5,
    True,
    "",
    " ",
    "x",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    "\ud800",
    math.inf,
    {"text": None},
]


def spoilt(value: Any, chance: random.Random, depth: int = 0) -> Any:
    """A copy of a record in which something, somewhere, is gone or of another kind."""
    if depth > 5 or chance.random() < 0.12 or not isinstance(value, dict | list) or not value:
        return copy.deepcopy(chance.choice(JUNK))
    value = copy.copy(value)
    place = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
    if chance.random() < 0.2:
        del value[place]
    else:
        value[place] = spoilt(value[place], chance, depth + 1)
    return value


@pytest.mark.parametrize(
    "name",
    [
        *("squad/dev-v2.0.json", "multihop/hotpot.json", "multihop/hotpot_dev_distractor_v1.json", "popqa/popqa.json"),
        *("multihop/musique.json", "multihop/multihoprag_chunks.json", "pubmedqa/ori_pqal.json", "strategyqa/dev.json"),
        *("financebench/financebench_open_source.jsonl", "dureader/search.train.json", "halu/dataset_halluqa.json"),
        *("halu/general_data.json", "rgb/en_fact.json", "rgb/zh_int.json", "nq/odqa.json", "beir/beir_fiqa_test.json"),
        *("crud/QuestAnswer1Doc_quest_gt_save.json", "halu/dataset_uhgeval_concise.jsonl"),
    ],
)
def test_spoilt_records_are_reported_and_the_others_read(find: Find, tmp_path: Path, name: str) -> None:
    rows = raw(find(name))
    rows = json.loads(find(name).read_text("utf-8"))["data"][:3] if "squad" in name else rows[:20]
    chance = random.Random(name)
    path = tmp_path / "spoilt.jsonl"
    for _ in range(5):
        mixed = [row if number % 2 else spoilt(row, chance) for number, row in enumerate(rows)]
        path.write_text("\n".join(map(json.dumps, mixed)))
        found = read_questions(path)
        good = {line for line in range(1, len(rows) + 1) if line % 2 == 0}
        first = {
            int(problem.where.split(":")[1].split(".")[0]) for problem in found.problems if problem.kind == "malformed"
        }
        if "crud" not in name:  # there, real records have questions without answers
            assert not first & good
        for example in found.examples:
            assert example.question
            assert all(isinstance(answer, str) and answer for answer in example.answers)
            assert all(isinstance(gold.text, str) for gold in example.evidence)
            assert all(isinstance(one, str | int | float) for one in example.metadata.values())
