"""Retrieval collections of several files: BEIR, and the classical ones in SMART's form (Cranfield, CISI, CACM).

BEIR (Thakur et al. 2021, arXiv:2104.08663) is a folder with `corpus.jsonl`, `queries.jsonl` and `qrels/SPLIT.tsv`;
the split is `test`, or the one whose file is given. In a SMART collection the files are told apart by what is in
them: documents and queries begin with `.I 1`, judgements are lines of numbers. CACM also comes as an archive of pages
with the queries and judgements of TREC.

Cranfield's judgements number the queries by their position in the file, not by their `.I` numbers; its codes run from
1 (a complete answer) to 4 (minimum interest), and the grade kept is 5 minus the code. Its code -1 (the paper from
which the question arose) is no judgement of relevance.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import NamedTuple

from trivium.errors import UsageError
from trivium.tasks.records import open_bytes, read_records
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import text
from trivium.types import Gold

Qrels = dict[str, dict[str, int]]
"""Grades by query and document: `qrels[query][document]`, 0 for judged and not relevant."""


class _Text(NamedTuple):
    id: str
    title: str
    body: str


# --- BEIR ------------------------------------------------------------------------------------------------------


def _beir_root(path: Path) -> Path | None:
    root = path if path.is_dir() else path.parent.parent if path.parent.name == "qrels" else path.parent
    return root if _beside(root, "corpus") and _beside(root, "queries") and (root / "qrels").is_dir() else None


def _beside(root: Path, stem: str) -> Path | None:
    return next((file for end in (".jsonl", ".jsonl.gz") if (file := root / f"{stem}{end}").is_file()), None)


def is_beir(path: Path) -> bool:
    """Whether a path is a folder in BEIR's layout, or one of its files."""
    root = _beir_root(path)
    return root is not None and (path == root or path.parent.name == "qrels" or path.name.startswith("queries.jsonl"))


def read_beir(path: Path, sheet: Sheet) -> None:
    """Read a folder of BEIR: each judged query of the split is a question, without an answer.

    Raises:
        UsageError: it has no judgements.
    """
    root = _beir_root(path) or path
    splits = {file.stem: file for file in sorted((root / "qrels").glob("*.tsv"))}
    chosen = path if path.suffix == ".tsv" else next((splits[s] for s in ("test", "dev") if s in splits), None)
    chosen = chosen or next(iter(splits.values()), None)
    if chosen is None:
        raise UsageError(f"{root / 'qrels'} holds no judgements (.tsv).", "Fetch the collection again.")
    texts: dict[str, str] = {}
    for record in read_records(_beside(root, "corpus") or root, sheet.problems):
        with sheet.at(record.where):
            name, title, body = (text(record.value.get(key)) for key in ("_id", "title", "text"))
            texts[_bare(name)] = sheet.passage(body or title, name, title=title, distinct=True)
    qrels = read_qrels(chosen)
    graded = _graded(qrels)
    for record in read_records(_beside(root, "queries") or root, sheet.problems):
        name = text(record.value.get("_id"))
        if _bare(name) in qrels:
            with sheet.at(record.where):
                _question(sheet, name, text(record.value.get("text")), qrels[_bare(name)], texts, graded)


def _question(
    sheet: Sheet, name: str, words: str, grades: Mapping[str, int], sources: Mapping[str, str], graded: bool
) -> None:
    relevant = sorted((doc for doc in grades if grades[doc] > 0), key=lambda doc: -grades[doc])
    lost = [doc for doc in relevant if doc not in sources]
    if lost:
        sheet.report(
            f"has {len(lost)} relevant documents that are not in the corpus: {lost[0]}", "evidence not in the set"
        )
    gold = [Gold(sources[doc], sheet.text_of(sources[doc])) for doc in relevant if doc in sources]
    gold += [Gold(f"{sheet.name}/{doc}", "") for doc in lost]
    known = {sources.get(doc, f"{sheet.name}/{doc}"): grades[doc] for doc in relevant}
    sheet.example(
        words,
        id=name,
        evidence=gold,
        metadata={"grades": json.dumps(known, ensure_ascii=False)} if graded else {},
    )


def _graded(qrels: Qrels) -> bool:
    return any(grade > 1 for grades in qrels.values() for grade in grades.values())


def read_qrels(path: Path) -> Qrels:
    """Read judgements: BEIR's table, TREC's four columns, SMART's `query document 0 0`, Cranfield's codes.

    Raises:
        UsageError: no line of the file is a judgement.
    """
    qrels: Qrels = {}
    with open_bytes(path) as stream:
        lines = [line.split() for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
    codes = all(len(line) == 3 and line[2].lstrip("-").isdigit() and -1 <= int(line[2]) <= 5 for line in lines)
    cranfield = codes and "-1" in {line[2] for line in lines}
    for line in lines:
        grade = _grade(line, cranfield)
        if grade is not None:
            document = line[1] if len(line) == 3 or line[1].upper() not in ("Q0", "0") else line[2]
            qrels.setdefault(_bare(line[0]), {})[_bare(document)] = grade
    if not qrels:
        raise UsageError(f"{path} holds no judgements.", "A line is: query, document, grade.")
    return qrels


def _bare(id: str) -> str:
    """An id without the zeros before its number: `CACM-0756` is `CACM-756`, query `001` is `1`."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", id) if id[-1:].isdigit() and id.replace("-", "").isalnum() else id


def _grade(line: list[str], cranfield: bool) -> int | None:
    if len(line) == 3:
        if not line[2].lstrip("-").isdigit():
            return None  # the table's head
        code = int(line[2])
        return max(0, 5 - code) if cranfield and code > 0 else max(0, code)
    if len(line) != 4:
        return None
    if line[1].upper() == "Q0":
        return int(line[3]) if line[3].lstrip("-").isdigit() else None
    if line[1] == "0" and line[3].isdigit():
        return int(line[3])
    return 1  # SMART lists the relevant alone, with zeros beside


# --- SMART and TREC --------------------------------------------------------------------------------------------


class _Files(NamedTuple):
    documents: Path
    queries: Path
    judgements: Path


_JUDGEMENT = re.compile(rb"\s*\d+\s+(?:Q0\s+\S+\s+-?\d+|\d+\s+-?\d+(?:\s+[\d.]+)?)\s*")


def is_smart(path: Path) -> bool:
    """Whether a path is a folder with the three files of a SMART collection, or one of those files."""
    return _smart_files(path) is not None


def _smart_files(path: Path) -> _Files | None:
    if path.is_file() and _kind(path) is None:
        return None
    root = path if path.is_dir() else path.parent
    found: dict[str, list[Path]] = {}
    try:
        files = [file for file in sorted(root.iterdir()) if file.is_file() and not file.name.startswith(".")]
    except OSError:
        return None
    if len(files) > 40:
        return None
    for file in files:
        if kind := _kind(file):
            found.setdefault(kind, []).append(file)
    texts = sorted(found.get("texts", []), key=lambda file: -file.stat().st_size)
    judgements = found.get("judgements", [])
    documents = found.get("archive") or texts[:1]
    queries = found.get("topics") or texts[1:] if not found.get("archive") else found.get("topics") or texts
    if not (documents and queries and judgements):
        return None
    return _Files(documents[0], queries[0], judgements[0])


def _kind(path: Path) -> str | None:
    """What a file of a collection holds, by its first bytes."""
    with path.open("rb") as stream:
        head = stream.read(2048)
    if head.startswith(b"\x1f\x8b") and tarfile.is_tarfile(path):
        return "archive"
    start = head.lstrip(b"\xef\xbb\xbf \r\n")
    if re.match(rb"\.I\s+\d+", start):
        return "texts"
    if start.startswith((b"<DOC>", b"<top>")):
        return "topics"
    first = start.splitlines()[:3]
    return "judgements" if first and all(_JUDGEMENT.fullmatch(line) for line in first) else None


def read_smart(path: Path, sheet: Sheet) -> None:
    """Read a SMART collection, or CACM in TREC's form.

    Raises:
        UsageError: the judgements cannot be matched with the queries.
    """
    files = _smart_files(path)
    if files is None:
        raise UsageError(f"{path} lacks its documents, queries or judgements.", "Give the folder with all three.")
    archive = _kind(files.documents) == "archive"
    sources: dict[str, str] = {}
    for document in _archived(files.documents) if archive else _tagged(files.documents):
        with sheet.at(f"{files.documents.name} {document.id}"):
            body = document.body
            whole = body if body.startswith(document.title) else f"{document.title}\n\n{body}".strip()
            sources[_bare(document.id)] = sheet.passage(whole, document.id, title=document.title, distinct=True)
    queries = list(_topics(files.queries) if _kind(files.queries) == "topics" else _tagged(files.queries))
    qrels = read_qrels(files.judgements)
    graded = _graded(qrels)
    numbers = _numbering([query.id for query in queries], qrels, files)
    for query in queries:
        with sheet.at(f"{files.queries.name} {query.id}"):
            grades = qrels.get(numbers.get(query.id, ""))
            if grades:
                _question(sheet, query.id, query.body or query.title, grades, sources, graded)
            else:
                sheet.report("has no judgement, and is left out", "no judgement")


def _numbering(ids: list[str], qrels: Qrels, files: _Files) -> dict[str, str]:
    """Return the number by which the judgements know each query: its own, or its position in the file.

    A cut of a collection keeps the positions of the whole: then the queries and the judged numbers, both in order,
    are as many.
    """
    if set(qrels) <= set(ids):
        return {id: id for id in ids}
    positions = {id: str(at) for at, id in enumerate(ids, 1)}
    if set(qrels) <= set(positions.values()):
        return positions
    if len(qrels) == len(ids):
        return dict(zip(ids, sorted(qrels, key=int), strict=True))
    raise UsageError(
        f"{files.judgements} numbers {len(qrels)} queries up to {max(map(int, qrels))}, "
        f"and {files.queries} has {len(ids)} up to number {ids[-1]}: which is which is unknown.",
        "Give the whole collection.",
    )


def _tagged(path: Path) -> Iterator[_Text]:
    """The entries of a file in SMART's form: `.I` numbers them, `.T` is the title, `.W` the text."""
    with open_bytes(path) as stream:
        content = stream.read().decode("utf-8", "replace").replace("\r\n", "\n")
    for entry in re.split(r"^\.I[ \t]+(?=\d+[ \t]*$)", content, flags=re.MULTILINE)[1:]:
        number, _, rest = entry.partition("\n")
        pieces = re.split(r"^\.([A-Z])[ \t]*$\n?", rest, flags=re.MULTILINE)
        fields: dict[str, str] = {}
        for name, words in zip(pieces[1::2], pieces[2::2], strict=True):
            fields.setdefault(name, words.strip())
        title = " ".join(fields.get("T", "").split())
        body = fields.get("W", "")
        if title and " ".join(body.split()).startswith(title):  # Cranfield repeats the title above the text
            body = " ".join(body.split())
        yield _Text(_bare(number.strip()), title, body)


def _topics(path: Path) -> Iterator[_Text]:
    """The queries of a file in TREC's form."""
    with open_bytes(path) as stream:
        content = stream.read().decode("utf-8", "replace")
    for entry in re.findall(r"<DOC>(.*?)</DOC>|<top>(.*?)</top>", content, re.DOTALL):
        body = entry[0] or entry[1]
        number = re.search(r"<(?:DOCNO|num)>\s*(?:Number:)?\s*(\S+)", body)
        body = re.sub(r"<DOCNO>.*?</DOCNO>|<num>.*", "", body)
        if number:
            yield _Text(number[1], "", re.sub(r"<[^>]+>", " ", body).strip())


def _archived(path: Path) -> Iterator[_Text]:
    """The pages of CACM's archive: title, abstract, issue, authors; the numbers of citations are left out."""
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is None:
                continue
            page = unescape(re.sub(r"</?(?:html|pre)>", "", stream.read().decode("utf-8", "replace")))
            lines = [line for line in page.splitlines() if not re.fullmatch(r"[\d\s]+", line) or not line.strip()]
            lines = [line for line in lines if not re.match(r"CA\d{6}\b", line)]
            blocks = [block.strip() for block in re.split(r"\n\s*\n", "\n".join(lines)) if block.strip()]
            title = " ".join(blocks[0].split()) if blocks else ""
            yield _Text(Path(member.name).stem, title, "\n\n".join(blocks[1:]))
