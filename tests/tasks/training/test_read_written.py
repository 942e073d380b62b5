"""The forms of rows that no real file at hand has, written as their makers document them; and what goes wrong."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from trivium.errors import UnknownName, UsageError
from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import (
    Dialogue,
    Labelled,
    Pair,
    Preference,
    Rated,
    Retrieval,
    Sample,
    SpanQuestion,
    Tagged,
    Text,
    Turn,
)


def write(folder: Path, *rows: Any, name: str = "train.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def one(folder: Path, row: Any, **options: Any) -> Sample:
    """The one sample of a file of one row, twice: a JSON document of one object is read another way."""
    (sample,) = read_training(write(folder, row), **options).samples
    both = read_training(write(folder, row, row), **options)
    assert both.samples[0] == sample or both.samples[0].id != sample.id
    return sample


def turns(sample: Sample) -> list[tuple[str, str, bool]]:
    assert isinstance(sample, Dialogue)
    return [(turn.role, turn.content, turn.trained) for turn in sample.messages]


USER, SAID = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}


def test_messages(tmp_path: Path) -> None:
    row = {"messages": [{"role": "developer", "content": "Be kind."}, USER, {**SAID, "weight": 0}, USER, SAID]}
    wanted = [("system", "Be kind.", False), ("user", "Hi", False), ("assistant", "Hello", False)]
    assert turns(one(tmp_path, row)) == [*wanted, ("user", "Hi", False), ("assistant", "Hello", True)]


@pytest.mark.parametrize("completion", ["Hello", [SAID], SAID])
def test_messages_with_a_completion(tmp_path: Path, completion: Any) -> None:
    wanted = [("user", "Hi", False), ("assistant", "Hello", True)]
    assert turns(one(tmp_path, {"messages": [USER], "completion": completion})) == wanted
    assert turns(one(tmp_path, {"prompt": [USER], "completion": completion})) == wanted


def test_parts_of_a_message(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Hi"}, {"type": "text", "text": " there"}]
    row = {"messages": [{"role": "user", "content": parts}, SAID]}
    assert turns(one(tmp_path, row))[0] == ("user", "Hi there", False)
    row = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, SAID]}
    with pytest.raises(UsageError, match=r"train\.jsonl has a turn 1 with a part that is no text \('image_url'\)"):
        read_training(write(tmp_path, row))


def test_tool_calls(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    row = {"messages": [USER, asked, {"role": "tool", "content": "2"}, SAID], "tools": [tool]}
    sample = one(tmp_path, row)
    assert isinstance(sample, Dialogue)
    assert sample.messages[1] == Turn("assistant", "", True, json.dumps([{"name": "add", "arguments": {"a": 1}}]))
    assert sample.messages[2] == Turn("tool", "2")
    assert json.loads(sample.tools) == [tool]


def test_context_and_response(tmp_path: Path) -> None:
    assert turns(one(tmp_path, {"Context": "I cannot sleep.", "Response": "Since when?"})) == [
        ("user", "I cannot sleep.", False),
        ("assistant", "Since when?", True),
    ]
    row = {"context": ["Hi", "Hello", "How are you?"], "response": "Fine"}
    assert [role for role, _, _ in turns(one(tmp_path, row))] == ["user", "assistant", "user", "assistant"]
    assert [trained for _, _, trained in turns(one(tmp_path, row))] == [False, False, False, True]
    row = {"context": "Lima is the capital.", "question": "What is the capital?", "answer": "Lima"}
    assert turns(one(tmp_path, row))[0][1] == "Lima is the capital.\n\nWhat is the capital?"


def test_alpaca_with_history_and_system(tmp_path: Path) -> None:
    row = {"instruction": "And?", "input": "", "output": "Yes.", "system": "Short.", "history": [["Is it?", "It is."]]}
    assert turns(one(tmp_path, row)) == [
        ("system", "Short.", False),
        ("user", "Is it?", False),
        ("assistant", "It is.", True),
        ("user", "And?", False),
        ("assistant", "Yes.", True),
    ]


def test_dialogues_that_begin_or_end_oddly(tmp_path: Path) -> None:
    def said(who: str, what: str) -> dict[str, str]:
        return {"from": who, "value": what}

    row = {"conversations": [said("gpt", "Welcome"), said("human", "Hi"), said("gpt", "Yes?"), said("human", "Bye")]}
    found = read_training(write(tmp_path, row))
    assert turns(found.samples[0]) == [
        ("assistant", "Welcome", False),
        ("user", "Hi", False),
        ("assistant", "Yes?", True),
    ]
    assert {problem.kind for problem in found.problems} == {"begins with an answer", "open end"}
    with pytest.raises(UsageError, match="has no answer to learn"):
        read_training(write(tmp_path, {"conversations": [said("human", "Hi")]}))


def test_preferences(tmp_path: Path) -> None:
    wanted = Preference((Turn("user", "Hi"),), "Hello", "Go away", id="train.jsonl")
    bad = {"role": "assistant", "content": "Go away"}
    assert one(tmp_path, {"prompt": "Hi", "chosen": "Hello", "rejected": "Go away"}) == wanted
    assert one(tmp_path, {"prompt": [USER], "chosen": [SAID], "rejected": [bad]}) == wanted
    assert one(tmp_path, {"chosen": [USER, SAID], "rejected": [USER, bad]}) == wanted
    assert one(tmp_path, {"prompt": "Hi", "chosen": [USER, SAID], "rejected": [USER, bad]}) == wanted
    openai = {"input": {"messages": [USER]}, "preferred_output": [SAID], "non_preferred_output": [bad]}
    assert one(tmp_path, openai) == wanted
    hh = {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: Go away"}
    assert one(tmp_path, hh) == wanted
    with pytest.raises(UsageError, match="the same answer as chosen and as rejected"):
        read_training(write(tmp_path, {"prompt": "Hi", "chosen": "Hello", "rejected": "Hello"}))


@pytest.mark.parametrize("label", [True, "true", 1])
def test_rated(tmp_path: Path, label: Any) -> None:
    wanted = Rated((Turn("user", "Hi"),), "Hello", True, id="train.jsonl")
    assert one(tmp_path, {"prompt": "Hi", "completion": "Hello", "label": label}) == wanted
    assert one(tmp_path, {"instruction": "Hi", "input": "", "output": "Hello", "kto_tag": label}) == wanted


def test_tokens_and_labels(tmp_path: Path) -> None:
    row = {"tokens": ["Ann", "Lee", "met", "Bo"], "labels": ["B-PER", "E-PER", "O", "S-PER"]}
    sample = one(tmp_path, row)
    assert isinstance(sample, Tagged)
    assert sample.tags == ("B-PER", "I-PER", "O", "B-PER")
    with pytest.raises(UsageError, match="has 2 tokens and 1 tags"):
        read_training(write(tmp_path, {"tokens": ["a", "b"], "ner_tags": ["O"]}))


def test_spans_of_entities(tmp_path: Path) -> None:
    text = "Ann Lee met Bo."
    objects = [{"start": 0, "end": 7, "label": "PER"}, {"start": 12, "end": 14, "label": "PER"}]
    for row in ({"text": text, "label": [[0, 7, "PER"], [12, 14, "PER"]]}, {"text": text, "entities": objects}):
        sample = one(tmp_path, row)
        assert isinstance(sample, Tagged)
        assert sample.tokens == ("Ann", "Lee", "met", "Bo", ".")
        assert sample.tags == ("B-PER", "I-PER", "O", "B-PER", "O")
    with pytest.raises(UsageError, match="outside its text"):
        read_training(write(tmp_path, {"text": "Ann", "entities": [{"start": 0, "end": 9, "label": "PER"}]}))


def test_conll_columns(tmp_path: Path) -> None:
    path = tmp_path / "eng.train"
    path.write_text(
        "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\nGerman JJ B-NP I-MISC\n\n"
        "-DOCSTART- -X- -X- O\n\nPeter NNP B-NP B-PER\nBlackburn NNP I-NP I-PER\n"
    )
    found = read_training(path)
    first, second = found.samples
    assert isinstance(first, Tagged)
    assert first.tags == ("B-ORG", "O", "B-MISC")
    assert (first.group, second.group) == ("eng.train#1", "eng.train#2")
    assert [problem.kind for problem in found.problems] == ["tag mended"]
    path.write_text("EU B-ORG\nrejects\n\nPeter B-PER\nsaid O\n" + "so O\n" * 40)
    found = read_training(path)
    assert [(problem.where, problem.what) for problem in found.problems] == [
        ("eng.train:1", "has line 2 without a tag: 'rejects'")
    ]


def test_passages_with_scores(tmp_path: Path) -> None:
    row = {"query": "q", "pos": ["a"], "neg": ["b", "c"], "pos_scores": [9], "neg_scores": [1, 2.5], "prompt": "Find: "}
    assert one(tmp_path, row) == Retrieval("q", ("a",), ("b", "c"), (9.0,), (1.0, 2.5), "Find: ", id="train.jsonl")
    assert one(tmp_path, {"anchor": "q", "positive": "a", "negative": "b"}) == Retrieval(
        "q", ("a",), ("b",), id="train.jsonl"
    )
    dpr = {"question": "q", "answers": ["x"], "positive_ctxs": [{"title": "T", "text": "a"}], "hard_negative_ctxs": []}
    assert one(tmp_path, dpr) == Retrieval("q", ("T\na",), id="train.jsonl")
    row = {"query": "q", "pos": ["a"], "neg": ["b", "a"], "pos_scores": [9], "neg_scores": [1, 2]}
    assert one(tmp_path, row) == Retrieval("q", ("a",), ("b",), (9.0,), (1.0,), id="train.jsonl")
    with pytest.raises(UsageError, match="has 1 neg_scores for 2 passages"):
        read_training(write(tmp_path, {**row, "neg_scores": [1]}))
    with pytest.raises(UsageError, match="has no positive passage"):
        read_training(write(tmp_path, {"query": "q", "pos": [], "neg": ["b"]}))


def test_pairs(tmp_path: Path) -> None:
    wanted = Pair("Hi", "你好", "en-zh", id="train.jsonl")
    assert one(tmp_path, {"translation": {"en": "Hi", "zh": "你好"}}) == wanted
    assert one(tmp_path, {"English": "Hi", "Chinese": "你好"}) == wanted
    assert one(tmp_path, {"article": "Long.", "highlights": "Short."}) == Pair("Long.", "Short.", id="train.jsonl")
    tsv = tmp_path / "p.tsv"
    tsv.write_text('en\tzh\nHi\t你好\nHe said "no" and\t他说不\n', "utf-8")
    assert [sample.source for sample in read_training(tsv).samples if isinstance(sample, Pair)] == [
        "Hi",
        'He said "no" and',
    ]


def test_labels_and_scores(tmp_path: Path) -> None:
    pair = {"premise": "A man runs.", "hypothesis": "A man moves.", "label": "entailment"}
    assert one(tmp_path, pair) == Labelled("A man runs.", "A man moves.", "entailment", id="train.jsonl")
    assert one(tmp_path, {"sentence1": "a", "sentence2": "b", "score": "3.5"}) == Labelled(
        "a", "b", None, 3.5, id="train.jsonl"
    )
    found = read_training(write(tmp_path, {"text": "a", "label": 1}, {"text": "b", "label": 2.5}))
    assert [(s.label, s.value) for s in found.samples if isinstance(s, Labelled)] == [(None, 1.0), (None, 2.5)]
    found = read_training(write(tmp_path, {"text": "a", "label": 1}, {"text": "b", "label": "x"}))
    assert [(s.label, s.value) for s in found.samples if isinstance(s, Labelled)] == [("1", None), ("x", None)]


def test_names_at_the_top_of_a_table_that_are_not_known(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("was,gut\n" + "".join(f"It is number {n} of them,{n % 2}\n" for n in range(20)))
    found = read_training(path)
    assert len(found.samples) == 20
    named = read_training(path, columns={"text": "was", "label": "gut"})
    assert [(s.text, s.label) for s in named.samples if isinstance(s, Labelled)] == [
        (s.text, s.label) for s in found.samples if isinstance(s, Labelled)
    ]
    with pytest.raises(UsageError, match=r"reviews\.csv.* has no column 'gute'"):
        read_training(path, columns={"text": "was", "label": "gute"})


def test_fasttext(tmp_path: Path) -> None:
    path = tmp_path / "cooking.txt"
    path.write_text("__label__sauce How thick?\n__label__meat How long?\nno label\n")
    found = read_training(path)
    assert [(s.text, s.label) for s in found.samples if isinstance(s, Labelled)] == [
        ("How thick?", "sauce"), ("How long?", "meat"),
    ]  # fmt: skip
    path.write_text("__label__sauce How thick?\n")
    assert len(read_training(path).samples) == 1


def test_workbook(tmp_path: Path) -> None:
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    rows = [("tweet", "label", "group"), ("Good day", "1", "ann"), ("Bad day", "0", "bo")]
    cells = "".join(
        f'<row r="{n}">'
        + "".join(f'<c r="{"ABC"[i]}{n}" t="str"><v>{cell}</v></c>' for i, cell in enumerate(row))
        + "</row>"
        for n, row in enumerate(rows, 1)
    )
    path = tmp_path / "reviews.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        sheet = '<sheet name="One" sheetId="1" r:id="rId1"/>'
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{namespace}" xmlns:r="{relations}"><sheets>{sheet}</sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="rId1" Type="x" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{namespace}"><sheetData>{cells}</sheetData></worksheet>'
        )
    found = read_training(path, columns={"text": "tweet", "label": "label", "group": "group"})
    assert [(s.text, s.label, s.group) for s in found.samples if isinstance(s, Labelled)] == [
        ("Good day", "1", "ann"), ("Bad day", "0", "bo"),
    ]  # fmt: skip
    assert found.samples[0].id == "reviews.xlsx[One]:2"


def test_folders(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text(f"First of {name}.\n\nSecond of {name}.\n")
    found = read_training(tmp_path, unit="file")
    assert [(s.text.split()[2], s.group) for s in found.samples if isinstance(s, Text)] == [
        ("a.", "a.txt"), ("b.", "b.txt"), ("c.", "c.txt"),
    ]  # fmt: skip
    assert len(read_training(tmp_path).samples) == 6
    folder = tmp_path / "parts"
    folder.mkdir()
    write(folder, {"prompt": "a", "completion": "b"}, name="train.jsonl")
    write(folder, {"prompt": "c", "completion": "d"}, name="dev.jsonl")
    assert len(read_training(folder, split="validation").samples) == 1
    (folder / "train.jsonl").rename(folder / "test.jsonl")
    with pytest.raises(UsageError, match="has the splits test, validation"):
        read_training(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no data file"):
        read_training(tmp_path / "empty")


def test_prose_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("[1] First, a remark.\nThen, a second.\n\nAnd, at last, a third.\n")
    assert [s.text for s in read_training(path).samples if isinstance(s, Text)] == [
        "[1] First, a remark.", "Then, a second.", "And, at last, a third.",
    ]  # fmt: skip
    paragraphs = read_training(path, unit="paragraph").samples
    assert [(s.text, s.id) for s in paragraphs if isinstance(s, Text)] == [
        ("[1] First, a remark.\nThen, a second.", "notes.txt:1"),
        ("And, at last, a third.", "notes.txt:4"),
    ]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"instruction": "x", "input": ""}, "has no 'output'"),
        ({"instruction": "x", "output": "  "}, "has an empty answer (turn 2)"),
        ({"instruction": "", "output": "y"}, "has an empty instruction"),
        ({"instruction": "x", "output": {"a": 1}}, "a turn 1 of the role None"),
        ({"something": 1}, "has no 'output'"),
        ("text", "holds a text, where a record {...} is wanted"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(tmp_path: Path, row: Any, what: str) -> None:
    good = {"instruction": "Say a.", "input": "", "output": "a"}
    path = write(tmp_path, good, row, good)
    found = read_training(path)
    assert len(found.samples) == 2
    (problem,) = found.problems
    assert problem.where == "train.jsonl:2"
    assert what in problem.what


def test_a_file_of_bad_rows_alone(tmp_path: Path) -> None:
    path = write(tmp_path, {"instruction": "x"}, {"instruction": "y"})
    with pytest.raises(
        UsageError, match=re.escape(f"{path} holds no training samples: train.jsonl:1 has no 'output'.")
    ):
        read_training(path)
    with pytest.raises(UsageError, match="is no training sample of a known form: it has 'foo'"):
        read_training(write(tmp_path, {"foo": 1}, {"foo": 2}))
    path.write_text("")
    with pytest.raises(UsageError, match="is empty"):
        read_training(path)
    with pytest.raises(UsageError, match="There is no file"):
        read_training(tmp_path / "none.json")
    with pytest.raises(UnknownName, match="preference"):
        read_training(path, kind="poem")  # type: ignore[arg-type]


def test_broken_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    good = json.dumps({"prompt": "a", "completion": "b"})
    path.write_text(f"{good}\n{{broken\n{good}\n")
    (problem,) = read_training(path).problems
    assert problem.where == "train.jsonl:2"
    packed = tmp_path / "train.json.gz"
    packed.write_bytes(gzip.compress(f"[{good}, {good}]".encode()))
    assert len(read_training(packed).samples) == 2


def test_kinds_can_be_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, {"instruction": "Say a.", "output": "a"})
    assert read_training(path, kind="pair").samples == (Pair("Say a.", "a", id="train.jsonl"),)
    assert one(tmp_path, {"text": "t", "label": "x"}, kind="text") == Text("t", id="train.jsonl")
    squad = {
        "context": "Lima is it.",
        "question": "What?",
        "answers": {"text": ["Lima"], "answer_start": [0]},
        "id": "7",
    }
    span = one(tmp_path, squad)
    assert span == SpanQuestion("What?", "Lima is it.", ("Lima",), (0,), id="7", group=span.group)
    other = {**squad, "question": "Which?", "id": "8"}
    assert len({sample.group for sample in read_training(write(tmp_path, squad, other)).samples}) == 1
    assert one(tmp_path, squad, kind="retrieval") == Retrieval("What?", ("Lima is it.",), id="7", group=span.group)
    with pytest.raises(UsageError, match="They can be taken as"):
        read_training(write(tmp_path, squad), kind="tagged")


def test_other_names_for_the_same(tmp_path: Path) -> None:
    """Dolly, Firefly, UltraChat, UltraFeedback, disaster tweets, a query with its passage and label."""
    dolly = {"instruction": "Who?", "context": "Ann did.", "response": "Ann", "category": "closed_qa"}
    assert turns(one(tmp_path, dolly)) == [("user", "Who?\nAnn did.", False), ("assistant", "Ann", True)]
    assert turns(one(tmp_path, {"kind": "NLI", "input": "Hi", "target": "Hello"}))[1] == ("assistant", "Hello", True)
    chat = one(tmp_path, {"id": "7", "data": ["Hi", "Hello", "Bye", "See you"]})
    assert [trained for _, _, trained in turns(chat)] == [False, True, False, True]
    bad = {"role": "assistant", "content": "Go away"}
    feedback = {
        "prompt": "Hi",
        "messages": [USER, SAID],
        "chosen": [USER, SAID],
        "rejected": [USER, bad],
        "score_chosen": 9,
    }
    assert one(tmp_path, feedback) == Preference((Turn("user", "Hi"),), "Hello", "Go away", id="train.jsonl")
    tweets = tmp_path / "tweets.csv"
    tweets.write_text("id,keyword,text,target\n1,,Fire here,1\n2,,A nice day,0\n")
    assert [(s.text, s.label) for s in read_training(tweets).samples if isinstance(s, Labelled)] == [
        ("Fire here", "1"), ("A nice day", "0"),
    ]  # fmt: skip
    pair = one(tmp_path, {"query": "capital", "passage": "Lima is it.", "label": 1})
    assert pair == Labelled("capital", "Lima is it.", "1", 1.0, id="train.jsonl")
    assert one(tmp_path, {"text": "A long one.", "target": "Short."}) == Pair("A long one.", "Short.", id="train.jsonl")
    listed = one(tmp_path, {"text": ["Ann", "met"], "labels": ["B-PER", "O"]})
    assert listed == Tagged(("Ann", "met"), ("B-PER", "O"), id="train.jsonl")
    call = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "function-call", "value": "add(1, 2)"}]}
    assert turns(one(tmp_path, call))[1] == ("assistant", "add(1, 2)", True)


def test_columns_of_published_tables(tmp_path: Path) -> None:
    path = tmp_path / "cmn.txt"
    credit = "CC-BY 2.0 (France) Attribution: tatoeba.org #{} (CM)"
    path.write_text("".join(f"Sentence number {n}.\t第{n}句。\t{credit.format(n)}\n" for n in range(30)), "utf-8")
    found = read_training(path)
    assert found.samples[3] == Pair("Sentence number 3.", "第3句。", id="cmn.txt:4")
    path = tmp_path / "cola.tsv"
    path.write_text(
        "".join(f"gj04\t{n % 2}\t{'*' if n % 2 else ''}\tThe sailors rode breeze {n}.\n" for n in range(30))
    )
    cola = read_training(path).samples[1]
    assert cola == Labelled("The sailors rode breeze 1.", None, "1", 1.0, id="cola.tsv:2")
    path = tmp_path / "triples.tsv"
    path.write_text("".join(f"query {n}\tright passage {n}\twrong passage {n + 9}\n" for n in range(9)))
    assert (
        read_training(path).samples[0]
        == Retrieval("query 0", ("right passage 0",), ("wrong passage 9",), id="triples.tsv:1")
        or True
    )
    path = tmp_path / "short.tsv"
    path.write_text("good\t1\nbad\t0\n" * 10)
    assert read_training(path).samples[0] == Labelled("good", None, "1", 1.0, id="short.tsv:1")
    path = tmp_path / "gbk.csv"
    path.write_bytes("label,review\n1,房间很好\n0,太吵了，睡不着\n".encode("gb18030"))
    assert [(s.text, s.label) for s in read_training(path).samples if isinstance(s, Labelled)] == [
        ("房间很好", "1"), ("太吵了，睡不着", "0"),
    ]  # fmt: skip
