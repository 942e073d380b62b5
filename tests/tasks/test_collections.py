"""Collections of several files, and tables, written small."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from trivium.errors import UsageError
from trivium.tasks.formats.collections import read_qrels
from trivium.tasks.questions import count_problems, read_questions
from trivium.types import Gold


def lines(path: Path, *rows: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    root = tmp_path / "scifact"
    lines(
        root / "corpus.jsonl",
        {"_id": "d1", "title": "One", "text": "First.", "metadata": {}},
        {"_id": "d2", "title": "", "text": "Second."},
        {"_id": "d3", "title": "One", "text": "First."},
    )
    lines(root / "queries.jsonl", {"_id": "q1", "text": "Which?", "metadata": {}}, {"_id": "q2", "text": "Who?"})
    (root / "qrels").mkdir()
    (root / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td2\t2\nq1\td1\t1\nq1\td3\t0\nq1\tlost\t1\n"
    )
    (root / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td3\t1\n")
    return root


def test_beir(beir: Path) -> None:
    found = read_questions(beir)
    assert found.format == "beir"
    [example] = found.examples
    assert example.id == "q1"
    assert example.evidence[:2] == (Gold("scifact/d2", "Second."), Gold("scifact/d1", "First."))
    assert example.evidence[2] == Gold("scifact/lost", "")
    assert json.loads(str(example.metadata["grades"])) == {"scifact/d2": 2, "scifact/d1": 1, "scifact/lost": 1}
    assert len(found.documents) == 3  # a corpus counts its repetitions
    assert count_problems(found.problems) == {"evidence not in the set": 1}


def test_the_split_of_the_file_given(beir: Path) -> None:
    found = read_questions(beir / "qrels" / "train.tsv", name="scifact")
    assert [(e.id, e.evidence) for e in found.examples] == [("q2", (Gold("scifact/d3", "First."),))]


def test_beir_without_judgements(beir: Path) -> None:
    for file in (beir / "qrels").iterdir():
        file.unlink()
    with pytest.raises(UsageError, match="no judgements"):
        read_questions(beir)


SMART = ".I {n}\n.T\nTitle {n}\n.A\nSomebody\n.W\nBody of {n}.\n.X\n1\t5\t{n}\n"


def test_cisi(tmp_path: Path) -> None:
    (tmp_path / "CISI.ALL").write_text("".join(SMART.format(n=n) for n in range(1, 30)))
    (tmp_path / "CISI.QRY").write_text(".I 1\n.W\nWhat problems?\n.I 2\n.T\nIgnored\n.W\nWhich ones?\n")
    (tmp_path / "CISI.REL").write_text(
        "     1     28\t0\t0.000000\n     1     35\t0\t0.000000\n     2      3\t0\t0.000000\n"
    )
    found = read_questions(tmp_path, name="cisi")
    assert [(e.id, e.question) for e in found.examples] == [("1", "What problems?"), ("2", "Which ones?")]
    assert found.examples[0].evidence == (Gold("cisi/28", "Title 28\n\nBody of 28."), Gold("cisi/35", ""))
    assert "grades" not in found.examples[0].metadata
    assert count_problems(found.problems) == {"evidence not in the set": 1}
    assert read_questions(tmp_path / "CISI.QRY", name="cisi").examples == found.examples


def test_cacm_in_smarts_form(tmp_path: Path) -> None:
    (tmp_path / "cacm.all").write_text("".join(SMART.format(n=n) for n in range(1, 30)))
    (tmp_path / "query.text").write_text(".I 1\n.W\n What articles?\n.N\n 1. Somebody\n")
    (tmp_path / "qrels.text").write_text("01 0010  0 0\n01 0012  0 0\n")
    [example] = read_questions(tmp_path, name="cacm").examples
    assert example.question == "What articles?"
    assert [gold.source for gold in example.evidence] == ["cacm/10", "cacm/12"]


def test_cranfields_positions_whole_and_cut(tmp_path: Path) -> None:
    (tmp_path / "cran.all").write_text("".join(SMART.format(n=n) for n in range(1, 30)))
    queries = [".I 001\n.W\nfirst\n", ".I 002\n.W\nsecond\n", ".I 004\n.W\nthird\n", ".I 008\n.W\nfourth\n"]
    (tmp_path / "cran.qry").write_text("".join(queries))
    (tmp_path / "cranqrel").write_text("1 11 2 \n1 19 -1\n2 12 1\n3 13 4 \n4 14 3\n")
    found = read_questions(tmp_path, name="c").examples
    assert [(e.id, [gold.source for gold in e.evidence]) for e in found] == [
        ("1", ["c/11"]), ("2", ["c/12"]), ("4", ["c/13"]), ("8", ["c/14"]),
    ]  # fmt: skip
    assert [json.loads(str(e.metadata["grades"])) for e in found] == [
        {"c/11": 3},
        {"c/12": 4},
        {"c/13": 1},
        {"c/14": 2},
    ]
    (tmp_path / "cran.qry").write_text(queries[0] + queries[3])
    (tmp_path / "cranqrel").write_text("1 11 2 \n1 19 -1\n4 14 3\n")
    cut = read_questions(tmp_path, name="c").examples
    assert [(e.id, [gold.source for gold in e.evidence]) for e in cut] == [("1", ["c/11"]), ("8", ["c/14"])]
    (tmp_path / "cranqrel").write_text("1 11 2 \n3 19 -1\n4 14 3\n")
    with pytest.raises(UsageError, match="which is which is unknown"):
        read_questions(tmp_path, name="c")


@pytest.mark.parametrize("text", ["q d\n", "query-id\tcorpus-id\tscore\n"])
def test_judgements_of_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "q.tsv").write_text(text)
    with pytest.raises(UsageError, match="no judgements"):
        read_qrels(tmp_path / "q.tsv")


def test_trecs_columns(tmp_path: Path) -> None:
    (tmp_path / "q").write_text("51 0 AP-1 2\n51 0 AP-2 0\n052 Q0 AP-3 1\n")
    assert read_qrels(tmp_path / "q") == {"51": {"AP-1": 2, "AP-2": 0}, "52": {"AP-3": 1}}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("question,answer,source\nHow long?,two years,a.pdf\n", "utf-8"),
        ("Question;Answer;Source\nHow long?;two years;a.pdf\n", "utf-16"),
        ("QUESTION\tReference Answer\tFile\nHow long?\ttwo years\ta.pdf\n", "utf-8-sig"),
        ("Our questions,,\n\nquestion,answer,source\nHow long?,two years,a.pdf\n", "utf-8"),
    ],
)
def test_csv(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "q.csv").write_bytes(text.encode(encoding))
    [example] = read_questions(tmp_path / "q.csv").examples
    assert (example.question, example.answers) == ("How long?", ("two years",))
    assert example.evidence == (Gold("a.pdf", ""),)


def test_csv_with_chinese_columns(tmp_path: Path) -> None:
    text = '序号,问题,标准答案,出处,答案依据\n1,保修期多长？,"[""两年"", ""24个月""]",手册.pdf,保修期为两年。\n'
    text += '2,"多行\n问题？",是,,\n'
    (tmp_path / "q.csv").write_bytes(text.encode("gb18030"))
    first, second = read_questions(tmp_path / "q.csv").examples
    assert (first.id, first.question, first.answers) == ("1", "保修期多长？", ("两年", "24个月"))
    assert first.evidence == (Gold("手册.pdf", "保修期为两年。"),)
    assert (second.question, second.answers, second.language) == ("多行\n问题？", ("是",), "zh")


def test_rows_of_the_wrong_width_are_reported_by_line(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text('question,answer\na?,"x\ny"\nb?,x,too,many\nc?\nd?,x,,\n,\n')
    found = read_questions(tmp_path / "q.csv")
    assert [example.question for example in found.examples] == ["a?", "c?", "d?"]
    assert [(problem.where, problem.kind) for problem in found.problems] == [
        ("q.csv:4", "malformed"),
        ("q.csv:5", "no answer"),
    ]


def test_a_table_without_questions_names_its_columns(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("name,age\nAda,36\n")
    with pytest.raises(UsageError, match=r"'name', 'age'.*'question' and 'answer'"):
        read_questions(tmp_path / "q.csv")


def test_mmlu_has_no_column_names(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("".join(f'"Which of {n}, say?",red,blue,green,grey,B\n' for n in range(12)))
    found = read_questions(tmp_path / "q.csv")
    assert len(found.examples) == 12
    assert {(e.answers, e.choices) for e in found.examples} == {(("blue",), ("red", "blue", "green", "grey"))}


def test_popqa_as_published(tmp_path: Path) -> None:
    names = (
        "id subj prop obj subj_id prop_id obj_id s_aliases o_aliases s_uri o_uri s_wiki_title o_wiki_title s_pop o_pop"
    )
    values = "42 Ada occupation politician 1 22 2 [] [] x y Ada Politician 142 25692"
    head = "\t".join([*names.split(), "question", "possible_answers"])
    row = "\t".join([*values.split(), "What is Ada's occupation?", '"[""politician"", ""pol""]"'])
    (tmp_path / "popQA.tsv").write_text(f"{head}\n{row}\n")
    found = read_questions(tmp_path / "popQA.tsv")
    assert found.format == "popqa"
    assert found.examples[0].answers == ("politician", "pol")
    assert found.examples[0].metadata["s_pop"] == "142"


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"


def workbook(path: Path, namespace: str = MAIN) -> Path:
    """A workbook of two sheets, of which the second has questions below a title row."""
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    shared = ["Notes", "问题", "答案", "保修期多长？"]
    strings = "".join(f"<si><t>{word}</t></si>" for word in shared) + "<si><r><t>两</t></r><r><t>年</t></r></si>"
    first = '<row r="1"><c r="A1" t="s"><v>0</v></c></row>'
    second = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>Our questions</t></is></c></row>'
        '<row r="3"><c r="B3" t="s"><v>1</v></c><c r="D3" t="s"><v>2</v></c></row>'
        '<row r="4"><c r="B4" t="s"><v>3</v></c><c r="D4" t="s"><v>4</v></c></row>'
        '<row r="5"><c r="B5" t="str"><v>How many?</v></c><c r="D5"><v>12</v></c></row>'
        '<row r="6"><c r="B6"/><c r="D6"/></row>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{namespace}" xmlns:r="{relations}"><sheets><sheet name="Notes" sheetId="1" r:id="rId1"/>'
            '<sheet name="Q&amp;A" sheetId="2" r:id="rId2"/></sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="rId1" Type="x" Target="worksheets/sheet1.xml"/>'
            '<Relationship Id="rId2" Type="x" Target="/xl/worksheets/sheet2.xml"/></Relationships>',
        )
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{namespace}">{strings}</sst>')
        for number, rows in ((1, first), (2, second)):
            sheet = f'<worksheet xmlns="{namespace}"><sheetData>{rows}</sheetData></worksheet>'
            archive.writestr(f"xl/worksheets/sheet{number}.xml", sheet)
    return path


@pytest.mark.parametrize("namespace", [MAIN, STRICT])
def test_xlsx(tmp_path: Path, namespace: str) -> None:
    found = read_questions(workbook(tmp_path / "q.xlsx", namespace))
    first = found.examples[0]
    assert (first.question, first.answers, first.language) == ("保修期多长？", ("两年",), "zh")
    assert found.examples[1].answers == ("12",)


def test_a_workbook_without_questions_and_a_broken_one(shared_data: Path, tmp_path: Path) -> None:
    real = shared_data / "docs" / "Langchain-Chatchat__langchain-ChatGLM_open.xlsx"
    if real.exists():
        with pytest.raises(UsageError, match="column of questions"):
            read_questions(real)
    broken = tmp_path / "b.xlsx"
    broken.write_bytes(workbook(tmp_path / "q.xlsx").read_bytes()[:-40])
    with pytest.raises(UsageError, match="cannot be read as a workbook"):
        read_questions(broken)
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(UsageError, match="old form"):
        read_questions(tmp_path / "old.xls")
