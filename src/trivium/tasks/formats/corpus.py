"""Passages that a set publishes apart from its questions: a list of titles and texts, an object of them, plain lines.

So do MuSiQue, HotpotQA and 2WikiMultiHopQA in the layout of retrieval studies, MultiHop-RAG (`body`), SciFact
(`abstract`), StrategyQA (an object of paragraphs), CRUD-RAG (an article a line) and BEIR (`corpus.jsonl`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.tasks.records import Malformed, read_records
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
    raise UsageError(f"{path} holds no passages.", "Give a file of titles and texts.")
