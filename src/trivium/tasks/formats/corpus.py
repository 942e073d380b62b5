"""Passages that a set publishes apart from its questions: a list of titles and texts, an object of them, plain lines.

So do MuSiQue, HotpotQA and 2WikiMultiHopQA in the layout of retrieval studies, MultiHop-RAG (`body`), SciFact
(`abstract`), StrategyQA (an object of paragraphs), CRUD-RAG (an article a line) and BEIR (`corpus.jsonl`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.tasks.records import Record, head_of, open_bytes, read_records
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import text

_TEXT = ("text", "paragraph_text", "contents", "content", "body", "abstract", "passage", "document")
_TITLE = ("title", "headline", "name")
_ID = ("_id", "id", "doc_id", "docid", "idx", "para_id")


def is_passage(record: Mapping[str, Any]) -> bool:
    """Whether a record is a passage and no question."""
    return any(record.get(key) for key in _TEXT) and not {"question", "query", "claim"} & set(record)


def read_corpus(path: str | os.PathLike[str], sheet: Sheet) -> None:
    """Put the passages of a file, or of each file of a folder, on the sheet, under their titles (or ids, or lines).

    Raises:
        UsageError: the file holds no passages.
    """
    place = Path(path)
    before = len(sheet.documents())
    files = sorted(file for file in place.iterdir() if file.is_file()) if place.is_dir() else [place]
    for file in files:
        head_of(file)
        for record in _records(file, sheet):
            with sheet.at(record.where):
                _passage(record, sheet)
    if len(sheet.documents()) == before:
        raise UsageError(f"{path} holds no passages.", "Give a file of titles and texts, or one with a passage a line.")


def _records(path: Path, sheet: Sheet) -> Iterator[Record]:
    with_titles = _titled_sentences(path)
    if with_titles is not None:
        yield from with_titles
        return
    with open_bytes(path) as stream:
        first = stream.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if first in (b"{", b"[") and not _is_prose(path):
            yield from read_records(path, sheet.problems)
            return
        stream.seek(0)
        for number, line in enumerate(stream, 1):
            words = line.decode("utf-8", "replace").strip("﻿ \t\r\n")
            if words:
                yield Record(f"{path.name}:{number}", {"text": words}, str(number))


def _is_prose(path: Path) -> bool:
    """Whether a file that begins with a bracket is plain text all the same: `[ 2023-07-28 ] News from ...`."""
    with open_bytes(path) as stream:
        line = stream.readline().strip()
    if len(line) < 3:
        return False
    try:
        json.loads(line)
    except ValueError as error:
        return isinstance(error, json.JSONDecodeError) and error.pos < 40 and b'"' not in line[:40]
    return False


def _titled_sentences(path: Path) -> list[Record] | None:
    """The passages of an object from title to sentences, HotpotQA's in retrieval studies; None for another form."""
    with open_bytes(path) as stream:
        if stream.read(1) != b"{":
            return None
        stream.seek(0)
        try:
            document = json.load(stream)
        except ValueError:
            return None
    if not isinstance(document, dict) or not all(isinstance(value, list | str) for value in document.values()):
        return None
    found = []
    for title, lines in document.items():
        kept = [lines] if isinstance(lines, str) else [str(line) for line in lines]
        words = "".join(kept) if any(line[:1].isspace() for line in kept[1:]) else " ".join(kept)
        found.append(Record(f"{path.name}[{title}]", {"title": title, "text": words.strip()}, title))
    return found


def _passage(record: Record, sheet: Sheet) -> None:
    value = record.value
    given = next((value[key] for key in _TEXT if value.get(key)), "")
    sentences = [text(one) for one in given] if isinstance(given, list) else []
    words = " ".join(sentences) or text(given)
    title = text(next((value[key] for key in _TITLE if value.get(key)), ""))
    name = text(next((value[key] for key in _ID if value.get(key) not in (None, "")), "")) or record.key
    source = sheet.passage(words, title or name or sheet.short(words), title=title)
    for other in filter(None, (name, title)):
        sheet.name_passage(other, source)
    if sentences:
        sheet.keep_sentences(source, sentences)
