"""Records of any file: lines, documents, broken ones, and where each stands."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from trivium.errors import UsageError
from trivium.tasks.records import Problem, read_records


def records(path: Path, data: bytes | str) -> tuple[list[tuple[str, dict[str, Any]]], list[Problem]]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    problems: list[Problem] = []
    return [(record.where, record.value) for record in read_records(path, problems)], problems


def test_lines_under_a_json_name(tmp_path: Path) -> None:
    found, problems = records(tmp_path / "a.json", '{"q": 1}\n\n{"q": 2}\r\n')
    assert found == [("a.json:1", {"q": 1}), ("a.json:3", {"q": 2})]
    assert problems == []


def test_a_line_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    row = '{"q": "one\u2028two\u2029three\x85four\x0bfive\x0c"}'.replace("\x0b", "\\u000b").replace("\x0c", "\\u000c")
    found, problems = records(tmp_path / "a.jsonl", row + "\n" + row + "\n")
    assert [value["q"] for _, value in found] == ["one\u2028two\u2029three\x85four\x0bfive\x0c"] * 2
    assert problems == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b'{"q": "cut sho', "not JSON"),
        (b'{"q": "\xff\xfe"}', "not UTF-8"),
        (b"[1, 2]", "holds a list"),
        (b'"text"', "holds a text"),
        (b"null", "holds null"),
        (b"7", "holds a number"),
        (b"[" * 100_000, "nested too deep"),
        (b"{'q': 1}", "not JSON"),
        (b"9" * 5_000, "not JSON"),
    ],
)
def test_a_malformed_line_is_named_and_the_rest_runs(tmp_path: Path, line: bytes, word: str) -> None:
    good = b'{"q": "good"}\n'
    found, problems = records(tmp_path / "a.jsonl", good * 3 + line + b"\n" + good * 2)
    assert [where for where, _ in found] == [f"a.jsonl:{n}" for n in (1, 2, 3, 5, 6)]
    assert [problem.where for problem in problems] == ["a.jsonl:4"]
    assert word in problems[0].what


def test_the_first_and_the_last_line_may_be_malformed(tmp_path: Path) -> None:
    found, problems = records(tmp_path / "a.jsonl", '{"q": "cut\n{"q": 1}\n{"q": 2}\n{"q": 3')
    assert [value["q"] for _, value in found] == [1, 2]
    assert [problem.where for problem in problems] == ["a.jsonl:1", "a.jsonl:4"]


@pytest.mark.parametrize("first", ['"x"', "7", "null", "# made by hand", "[1]", "x,y"])
def test_the_first_line_may_be_anything(tmp_path: Path, first: str) -> None:
    found, problems = records(tmp_path / "a.jsonl", first + '\n{"q": 1}\n{"q": 2}\n')
    assert [value["q"] for _, value in found] == [1, 2]
    assert [problem.where for problem in problems] == ["a.jsonl:1"]


def test_one_line_alone_and_its_broken_neighbour(tmp_path: Path) -> None:
    found, problems = records(tmp_path / "a.jsonl", '{"question": "x"}\n{"question": ')
    assert len(found) == 1
    assert [problem.where for problem in problems] == ["a.jsonl:2"]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\n\n", b"\xef\xbb\xbf\r\n"])
def test_a_byte_order_mark_and_empty_lines_before(tmp_path: Path, mark: bytes) -> None:
    assert [v for _, v in records(tmp_path / "a", mark + b'{"q": 1}\n{"q": 2}\n')[0]] == [{"q": 1}, {"q": 2}]
    assert [v for _, v in records(tmp_path / "a", mark + b'[{"q": 1},\n {"q": 2}]')[0]] == [{"q": 1}, {"q": 2}]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "gb18030"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    rows = [{"问题": f"第{n}条规定说的保修期有多长？", "答案": "从交货之日起二十四个月"} for n in range(30)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert [v for _, v in records(tmp_path / "a.jsonl", lines.encode(encoding))[0]] == rows
    whole = json.dumps(rows, ensure_ascii=False, indent=1)
    assert [v for _, v in records(tmp_path / "a.json", whole.encode(encoding))[0]] == rows


def test_gzip(tmp_path: Path) -> None:
    assert len(records(tmp_path / "a.jsonl.gz", gzip.compress(b'{"q": 1}\n{"q": 2}\n'))[0]) == 2


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ([{"question": "a"}, {"question": "b"}], ["a[0]", "a[1]"]),
        ({"data": [{"question": "a"}, {"question": "b"}], "version": "1"}, ["a[data][0]", "a[data][1]"]),
        ({"x1": {"question": "a"}, "x2": {"question": "b"}}, ["a[x1]", "a[x2]"]),
        ({"question": ["a", "b"], "answer": [1, 2]}, ["a[0]", "a[1]"]),
        ({"dev": {"7": {"question": "a"}, "8": {"question": "b"}}}, ["a[dev][7]", "a[dev][8]"]),
        ({"one": [{"question": "a"}], "two": [{"question": "b"}]}, ["a[one][0]", "a[two][0]"]),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_documents_of_records(tmp_path: Path, document: Any, where: list[str], indent: int | None) -> None:
    found, problems = records(tmp_path / "a", json.dumps(document, indent=indent))
    assert [place for place, _ in found] == where
    assert [value["question"] for _, value in found] == ["a", "b"]
    assert problems == []


def test_indented_objects_one_after_another(tmp_path: Path) -> None:
    found, _ = records(tmp_path / "a", json.dumps({"q": 1}, indent=2) + "\n" + json.dumps({"q": 2}, indent=2))
    assert found == [("a:1", {"q": 1}), ("a:4", {"q": 2})]


def test_members_of_a_list_that_are_no_records(tmp_path: Path) -> None:
    found, problems = records(tmp_path / "a", '[{"q": 1}, 7, null, {"q": 2}]')
    assert len(found) == 2
    assert [problem.where for problem in problems] == ["a[1]", "a[2]"]


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    rows = [{"question": "Who?", "answers": {"text": ["I"], "answer_start": [0]}}]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert [record.value for record in read_records(tmp_path / "a.parquet", [])] == rows


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UsageError, match="is empty"):
        records(tmp_path / "a.jsonl", data)


def test_a_document_cut_short_says_where(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 2, column"):
        records(tmp_path / "a.json", '[{"q": 1},\n {"q": 2')


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no file"):
        list(read_records(tmp_path / "none.json", []))
    with pytest.raises(UsageError, match="is a folder"):
        list(read_records(tmp_path, []))
