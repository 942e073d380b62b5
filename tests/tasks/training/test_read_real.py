"""Every format on a real file of it: counts and contents against another way of reading the same bytes."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trivium.errors import UsageError
from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import (
    Dialogue,
    Labelled,
    Pair,
    Preference,
    Rated,
    Retrieval,
    SpanQuestion,
    Tagged,
    Text,
)

Find = Callable[[str], Path]


def raw(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8")
    try:
        return json.loads(text)  # type: ignore[no-any-return]
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def lines(path: Path) -> list[str]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        return [line for line in stream.read().decode("utf-8").split("\n") if line.strip()]


def asked_and_said(sample: object) -> tuple[str, str]:
    assert isinstance(sample, Dialogue)
    asked, said = sample.messages
    assert (asked.role, asked.trained, said.role, said.trained) == ("user", False, "assistant", True)
    return asked.content, said.content


@pytest.mark.parametrize(
    "name", ["ft/alpaca_en_demo.json", "ft/alpaca_zh_demo.json", "ft/identity.json", "ft/huatuo_llama_data.json"]
)
def test_alpaca(find: Find, name: str) -> None:
    rows, found = raw(find(name)), read_training(find(name))
    assert (found.kind, found.format) == ("dialogue", "alpaca")
    wanted = [
        (r["instruction"].strip() + ("\n" + r["input"].strip() if r["input"].strip() else ""), r["output"])
        for r in rows
    ]
    assert [asked_and_said(sample) for sample in found.samples] == wanted
    assert found.report["rows"] == found.report["samples"] == len(rows)
    assert found.report.get("placeholder", 0) == sum("{{" in row["output"] for row in rows)


@pytest.mark.parametrize("name", ["ft/seed_tasks.jsonl", "ft/zh_seed_tasks.json"])
def test_seed_tasks(find: Find, name: str) -> None:
    rows, found = raw(find(name)), read_training(find(name))
    assert found.format == "seed tasks"
    assert len(found.samples) == sum(len(row["instances"]) for row in rows)
    assert [s.messages[-1].content for s in found.samples if isinstance(s, Dialogue)] == [
        instance["output"] for row in rows for instance in row["instances"]
    ]
    assert {sample.group for sample in found.samples} == {row["id"] for row in rows}


def test_sharegpt(find: Find) -> None:
    path = find("ft/medical_sft_1K_format.jsonl")
    rows, found = raw(path), read_training(path)
    assert (found.kind, found.format) == ("dialogue", "sharegpt")
    assert [asked_and_said(s) for s in found.samples] == [tuple(t["value"] for t in r["conversations"]) for r in rows]


@pytest.mark.parametrize("name", ["ft/glaive_toolcall_en_demo.json", "ft/glaive_toolcall_zh_demo.json"])
def test_tool_turns(find: Find, name: str) -> None:
    rows, found = raw(find(name)), read_training(find(name))
    assert len(found.samples) == len(rows)
    roles = {
        "human": "user",
        "gpt": "assistant",
        "function_call": "assistant",
        "observation": "tool",
        "system": "system",
    }
    for row, sample in zip(rows, found.samples, strict=True):
        assert isinstance(sample, Dialogue)
        assert [turn.role for turn in sample.messages] == [roles[turn["from"]] for turn in row["conversations"]]
        for given, turn in zip(row["conversations"], sample.messages, strict=True):
            assert turn.trained == (given["from"] in ("gpt", "function_call"))
            if given["from"] == "function_call":
                (call,) = json.loads(turn.calls)
                assert call == json.loads(given["value"])
            else:
                assert turn.content == given["value"]
        assert json.loads(sample.tools or "[]") == (json.loads(row["tools"]) if row["tools"] else [])


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("reversal_curse/both_prompts_train.jsonl", ("prompt", "completion")),
        ("reversal_curse/p2d_prompts_test.jsonl", ("prompt", "completion")),
        ("ft/gsm8k_train.jsonl", ("question", "answer")),
        ("halu/general_data.json", ("user_query", "chatgpt_response")),
    ],
)
def test_prompt_and_completion(find: Find, name: str, keys: tuple[str, str]) -> None:
    rows, found = raw(find(name)), read_training(find(name))
    assert (found.kind, found.format) == ("dialogue", "prompt completion")
    assert [asked_and_said(sample) for sample in found.samples] == [(row[keys[0]], row[keys[1]]) for row in rows]


def test_rows_without_an_answer_are_named(find: Find) -> None:
    path = find("ft/eval_set.json")
    rows, found = raw(path), read_training(path)
    empty = [number for number, row in enumerate(rows, 1) if not row["std_answer"].strip()]
    assert empty
    assert len(found.samples) == len(rows) - len(empty)
    assert [problem.where for problem in found.problems] == [f"eval_set.json:{number}" for number in empty]
    assert {problem.what for problem in found.problems} == {"has an empty answer (turn 2)"}


@pytest.mark.parametrize("name", ["ft/dpo_zh_demo.json", "ft/dpo_zh_500.jsonl"])
def test_preferences(find: Find, name: str) -> None:
    rows, found = raw(find(name)), read_training(find(name))
    assert found.kind == "preference"

    def words(side: Any) -> str:
        return side if isinstance(side, str) else side["value"]

    for row, sample in zip(rows, found.samples, strict=True):
        assert isinstance(sample, Preference)
        assert [turn.content for turn in sample.prompt] == [turn["value"] for turn in row["conversations"]]
        assert not any(turn.trained for turn in sample.prompt)
        assert (sample.chosen, sample.rejected) == (words(row["chosen"]), words(row["rejected"]))


def test_kto(find: Find) -> None:
    path = find("ft/kto_en_demo.json")
    rows, found = raw(path), read_training(path)
    assert found.kind == "rated"
    for row, sample in zip(rows, found.samples, strict=True):
        assert isinstance(sample, Rated)
        assert [turn.content for turn in sample.prompt] == [turn["content"] for turn in row["messages"][:-1]]
        assert (sample.completion, sample.good) == (row["messages"][-1]["content"], row["label"])


@pytest.mark.parametrize("name", ["ft/wiki_demo.txt", "ft/medical_textbook_fever.txt"])
def test_plain_text(find: Find, name: str) -> None:
    found = read_training(find(name))
    assert (found.kind, found.format) == ("text", "plain text")
    assert [sample.text for sample in found.samples if isinstance(sample, Text)] == lines(find(name))
    (whole,) = read_training(find(name), unit="file").samples
    assert isinstance(whole, Text)
    assert whole.text.split() == find(name).read_text("utf-8").split()


def test_texts_in_json_lines(find: Find) -> None:
    path = find("ft/c4_demo.jsonl")
    found = read_training(path)
    assert (found.kind, found.format) == ("text", "text")
    assert [sample.text for sample in found.samples if isinstance(sample, Text)] == [row["text"] for row in raw(path)]


@pytest.mark.parametrize(
    ("name", "text", "label"),
    [
        ("classify/ChnSentiCorp_htl_all.csv", "review", "label"),
        ("classify/waimai_10k.csv", "review", "label"),
        ("classify/banking77/train.csv", "text", "category"),
        ("classify/banking77/test.csv", "text", "category"),
    ],
)
def test_classes_in_csv(find: Find, name: str, text: str, label: str) -> None:
    with find(name).open(encoding="utf-8-sig", newline="") as stream:
        rows = [(row[text].strip(), row[label]) for row in csv.DictReader(stream)]
    found = read_training(find(name))
    assert found.kind == "labelled"
    kept = [row for row in rows if row[0]]
    assert [(sample.text, sample.label) for sample in found.samples if isinstance(sample, Labelled)] == kept
    assert len(found.problems) == len(rows) - len(kept)


@pytest.mark.parametrize(
    "name",
    ["classify/SST2/train.tsv", "classify/SST2/dev.tsv", "classify/THUCNews/dev.txt", "classify/THUCNews/test.txt"],
)
def test_classes_without_names(find: Find, name: str) -> None:
    rows = [tuple(line.rsplit("\t", 1)) for line in lines(find(name))]
    found = read_training(find(name))
    assert [(s.text, s.label) for s in found.samples if isinstance(s, Labelled)] == [(a.strip(), b) for a, b in rows]
    assert {s.value for s in found.samples if isinstance(s, Labelled)} == {float(label) for _, label in rows}


@pytest.mark.parametrize(
    "name", ["pairs/AFQMC_dev.txt", "pairs/LCQMC_dev.txt", "pairs/sts-b-train.zh.txt", "pairs/sts-b-test.zh.txt"]
)
def test_pairs_of_sentences(find: Find, name: str) -> None:
    rows = [line.split("\t") for line in lines(find(name))]
    found = read_training(find(name))
    assert [[s.text, s.second, s.label] for s in found.samples if isinstance(s, Labelled)] == [
        [cell.strip() for cell in row] for row in rows
    ]


@pytest.mark.parametrize("name", ["pairs/sts-train.csv", "pairs/sts-dev.csv", "pairs/sts-test.csv"])
def test_scores_of_pairs(find: Find, name: str) -> None:
    rows = [line.split("\t") for line in lines(find(name))]
    found = read_training(find(name))
    assert [(s.value, s.text, s.second, s.label) for s in found.samples if isinstance(s, Labelled)] == [
        (float(row[4]), row[5].strip(), row[6].strip(), None) for row in rows
    ]


def blocks(path: Path) -> list[list[list[str]]]:
    text = path.read_text("utf-8").replace("\r", "")
    return [[line.split() for line in block.split("\n")] for block in text.strip("\n").split("\n\n") if block.strip()]


@pytest.mark.parametrize(
    "name",
    [
        *("ner/msra_test_bio", "ner/people_daily_example.dev", "ner/people_daily_example.test"),
        *("ner/resume_train.char.bmes", "ner/resume_dev.char.bmes"),
    ],
)
def test_tag_columns(find: Find, name: str) -> None:
    from seqeval.metrics.sequence_labeling import get_entities

    wanted, found = blocks(find(name)), read_training(find(name))
    assert (found.kind, found.format) == ("tagged", "tag columns")
    assert len(found.samples) == len(wanted)
    bmes = name.endswith("bmes")
    odd = {problem.where for problem in found.problems}
    for rows, sample in zip(wanted, found.samples, strict=True):
        assert isinstance(sample, Tagged)
        assert sample.tokens == tuple(row[0] for row in rows)
        given = [row[-1].replace("M-", "I-", 1) if row[-1].startswith("M-") else row[-1] for row in rows]
        assert all(tag == "O" or tag[:2] in ("B-", "I-") for tag in sample.tags)
        if sample.id not in odd:
            assert get_entities(list(sample.tags)) == get_entities(
                [
                    t.replace("E-", "I-", 1)
                    if bmes and t[1:2] == "-" and t[0] == "E"
                    else t.replace("S-", "B-", 1)
                    if bmes and t[:2] == "S-"
                    else t
                    for t in given
                ]
            )


def test_sentences_beside_tags(find: Find) -> None:
    folder = find("ner/msra_val")
    found = read_training(folder)
    words, tags = (lines(folder / name) for name in ("sentences.txt", "tags.txt"))
    assert [(" ".join(s.tokens), " ".join(s.tags)) for s in found.samples if isinstance(s, Tagged)] == [
        (" ".join(a.split()), " ".join(b.split())) for a, b in zip(words, tags, strict=True)
    ]
    with pytest.raises(UsageError, match="holds tags and no tokens"):
        read_training(folder / "tags.txt")


@pytest.mark.parametrize("name", ["ner/cluener_dev.json", "ner/cluener_train.json"])
def test_entities_in_json(find: Find, name: str) -> None:
    rows, found = raw(find(name)), read_training(find(name))
    assert (found.kind, found.format) == ("tagged", "entities")
    nested = {problem.where for problem in found.problems}
    for row, sample in zip(rows, found.samples, strict=True):
        assert isinstance(sample, Tagged)
        assert "".join(sample.tokens) == row["text"]
        spans = {
            (kind, start, last) for kind, of in row["label"].items() for places in of.values() for start, last in places
        }
        starts = [place for place, tag in enumerate(sample.tags) if tag.startswith("B-")]
        ends = [
            next((e for e in range(s + 1, len(sample.tags)) if not sample.tags[e].startswith("I-")), len(sample.tags))
            for s in starts
        ]
        got = {(sample.tags[s][2:], s, e - 1) for s, e in zip(starts, ends, strict=True)}
        assert got == spans or (got < spans and sample.id in nested)


@pytest.mark.parametrize(
    "name",
    [
        "squad/dev-v2.0.json",
        "squad/test-v1.1.json",
        "squad_zh/dev-v2.0-zh.json",
        "xquad/xquad.zh.json",
        "cmrc2018/cmrc2018_dev.json",
    ],
)
def test_spans(find: Find, name: str) -> None:
    articles = json.loads(find(name).read_text("utf-8"))["data"]
    qas = [(a, p, qa) for a in articles for p in a["paragraphs"] for qa in p["qas"]]
    found = read_training(find(name))
    assert (found.kind, found.format) == ("span", "squad")
    assert len(found.samples) == len(qas) - found.report.get("malformed", 0) - found.report.get("no span", 0)
    by_id = {str(qa["id"]): (p, qa) for _, p, qa in qas}
    for sample in found.samples:
        assert isinstance(sample, SpanQuestion)
        paragraph, qa = by_id[sample.id]
        assert sample.question == qa["question"].strip()
        assert sample.context == paragraph["context"]
        assert all(sample.context.startswith(a, s) for a, s in zip(sample.answers, sample.starts, strict=True))
        assert bool(sample.answers) != bool(qa.get("is_impossible"))
    assert len({sample.group for sample in found.samples}) <= len(articles)


def test_dureader(find: Find) -> None:
    path = find("dureader/search.train.json")
    rows = {str(row["question_id"]): row for row in raw(path)}
    answered = {id for id, row in rows.items() if row["fake_answers"] and row["answer_docs"]}
    found = read_training(path)
    assert found.format == "dureader"
    assert {sample.id for sample in found.samples} == answered
    for sample in found.samples:
        assert isinstance(sample, SpanQuestion)
        assert sample.context[sample.starts[0] :].startswith(sample.answers[0])
        bare = ["".join(answer.split()).lower() for answer in rows[sample.id]["fake_answers"]]
        assert "".join(sample.answers[0].split()).lower() in bare
    passages = read_training(path, kind="retrieval")
    selected = {id for id, row in rows.items() if any(page["is_selected"] for page in row["documents"])}
    assert {sample.id for sample in passages.samples} == selected
    for one in passages.samples:
        assert isinstance(one, Retrieval)
        assert not set(one.positives) & set(one.negatives)
        of_page = [page["paragraphs"] for page in rows[one.id]["documents"] if page["is_selected"]]
        assert all(any(p.strip() in (x.strip() for x in of) for of in of_page) for p in one.positives)
    assert read_training(path, kind="dialogue").kind == "dialogue"


@pytest.mark.parametrize("name", ["rgb/en_fact.json", "rgb/zh_refine.json"])
def test_query_with_passages(find: Find, name: str) -> None:
    rows, found = raw(find(name)), read_training(find(name))
    assert found.kind == "retrieval"
    assert len(found.samples) == len(rows)
    for row, sample in zip(rows, found.samples, strict=True):
        assert isinstance(sample, Retrieval)
        assert sample.positives == tuple(text.strip() for text in row["positive"])
        assert set(sample.negatives) == {text.strip() for text in row["negative"]} - set(sample.positives)


def test_translations_in_a_table(find: Find) -> None:
    path = find("translate/cmn.txt")
    found = read_training(path)
    assert found.kind == "pair"
    assert [(s.source, s.target) for s in found.samples if isinstance(s, Pair)] == [
        tuple(cell.strip() for cell in line.split("\t")[:2]) for line in lines(path)
    ]


@pytest.mark.parametrize("split", ["train", "val"])
def test_translations_side_by_side(find: Find, split: str) -> None:
    english, french = (find(f"translate/multi30k/{split}.{language}.gz") for language in ("en", "fr"))
    wanted = [(a.strip(), b.strip(), "en-fr") for a, b in zip(lines(english), lines(french), strict=True)]
    found = read_training(english)
    assert [(s.source, s.target, s.languages) for s in found.samples if isinstance(s, Pair)] == wanted
    folder = read_training(english.parent, split={"val": "validation"}.get(split, split))
    assert [s.source for s in folder.samples if isinstance(s, Pair)] == [one for one, _, _ in wanted]


def test_a_question_set_is_a_training_set_too(find: Find) -> None:
    path = find("multihop/hotpot.json")
    rows, found = raw(path), read_training(path)
    assert Counter(asked_and_said(sample)[1] for sample in found.samples) == Counter(row["answer"] for row in rows)


def test_columns_that_cannot_be_told(find: Find) -> None:
    path = find("reversal_curse/parent_child_pairs.csv")
    with pytest.raises(UsageError, match="which is which cannot be told") as failed:
        read_training(path)
    assert "columns" in failed.value.cure
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [(row["child"], row["parent"]) for row in csv.DictReader(stream)]
    found = read_training(path, columns={"source": "child", "target": "parent"})
    assert [(s.source, s.target) for s in found.samples if isinstance(s, Pair)] == rows
