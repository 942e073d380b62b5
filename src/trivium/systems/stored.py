"""Answers that another system gave: what a file of them holds, and what a foreign function returns."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trivium.codec import answer_of
from trivium.errors import ModelError, UsageError
from trivium.generate.refuse import says_nothing
from trivium.types import Answer, Chunk, Citation, Example, Hit, Timing, Usage

TEXT_KEYS = ("answer", "text", "prediction", "predicted_answer", "response", "output", "generated")
"""Where the text of a foreign answer may stand, the first that is there."""
PASSAGE_KEYS = ("hits", "passages", "contexts", "retrieved_contexts", "context", "documents", "sources")
"""Where its passages may stand."""


def stored(path: str | os.PathLike[str]) -> tuple[Callable[[Example], Answer], dict[str, Any]]:
    """Return what gives the stored answer to a question, by its id or else by its words, and the file's description.

    The file holds one JSON object a line: `id` or `question`, the answer under one of `TEXT_KEYS`, and optionally
    `refused`, its passages under one of `PASSAGE_KEYS` (texts, or objects with `text` and `source`), `citations`,
    `usage`, `seconds`. The `results.jsonl` of an earlier run is such a file, and so is one JSON object from id to
    text (the predictions of SQuAD).

    Raises:
        UsageError: the file cannot be read, or holds no answer.
    """
    file = Path(path)
    try:
        whole = _predictions(file)
        several = _Stored(file) if whole is None else None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", "Give a file of answers.") from error

    def answer(example: Example) -> Answer:
        if several is not None:
            return several.answer(example)
        if whole is None or example.id not in whole:
            raise _no_answer(file, example)
        return answer_from(whole[example.id], example.question)

    problems = several.problems if several is not None else []
    return answer, {"name": file.stem, "kind": "answers", "sha256": file_hash(file), "unreadable_lines": len(problems)}


class _Stored:
    """A file of answers, of which only the places are in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_id: dict[str, int] = {}
        self._by_question: dict[str, int] = {}
        self._local = threading.local()
        self.problems: list[str] = []
        at = number = 0
        with open(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                start, at = at, at + len(line)
                if not line.strip():
                    continue
                try:
                    row = _row(line)
                except ValueError as error:
                    self.problems.append(f"line {number}: {error}")
                    continue
                example = row.get("example")
                named = example if isinstance(example, dict) else row
                if named.get("id") is not None:
                    self._by_id[str(named["id"])] = start
                if named.get("question"):
                    self._by_question.setdefault(_key(str(named["question"])), start)
        if not self._by_id and not self._by_question:
            first = f" ({self.problems[0]})" if self.problems else ""
            raise UsageError(
                f"{path} holds no answers{first}.",
                'Give one JSON object a line, such as {"id": "q1", "answer": "24 months"}.',
            )

    def answer(self, example: Example) -> Answer:
        start = self._by_id.get(example.id)
        if start is None:
            start = self._by_question.get(_key(example.question))
        if start is None:
            raise _no_answer(self._path, example)
        if not hasattr(self._local, "file"):
            self._local.file = open(self._path, "rb")  # noqa: SIM115  one for each thread, as long as it lives
        self._local.file.seek(start)
        return answer_from(_row(self._local.file.readline()), example.question)


def _no_answer(path: Path, example: Example) -> UsageError:
    return UsageError(f"{path.name} holds no answer to the question {example.id}.", "Add it, and run again.")


def _row(line: bytes) -> dict[str, Any]:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    return row


def _predictions(path: Path) -> dict[str, Any] | None:
    """Return the object of a file that is one JSON object from ids to answers; None for lines of objects."""
    with open(path, "rb") as file:
        first = file.readline()
    try:
        row = json.loads(first)
        lines = isinstance(row, dict) and ("id" in row or "question" in row or "example" in row)
    except ValueError:
        lines = not first.lstrip().startswith(b"{") or (len(first.strip()) > 1 and first.rstrip().endswith(b"}"))
    if lines:
        return None
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return None
    return found if isinstance(found, dict) and found else None


def answer_from(value: object, question: str) -> Answer:
    """Return what a foreign system gave as an answer.

    Raises:
        ModelError: it is neither an answer, nor a text, nor a dictionary that holds one.
    """
    if isinstance(value, Answer):
        return value
    if isinstance(value, str):
        return Answer(question, value.strip(), refused=says_nothing(value))
    if isinstance(value, Mapping):
        own = value.get("answer")
        if isinstance(own, Mapping) and "refused" in own and "trace" in own:  # a result of Trivium's own
            return answer_of(own)
        if value.get("error") and not own:
            raise ModelError(f"The stored answer is an error: {value['error']}")
        return _foreign(value, question)
    raise ModelError(
        f"The system gave {type(value).__name__}, which is no answer.",
        "Return an Answer, a text, or a dictionary with the text under 'answer'.",
    )


def _foreign(row: Mapping[str, Any], question: str) -> Answer:
    text = next((row[key] for key in TEXT_KEYS if isinstance(row.get(key), str)), None)
    refused = row.get("refused")
    if text is None:
        listed = next((row[key] for key in TEXT_KEYS if isinstance(row.get(key), list)), None)
        if listed:
            text = str(listed[0])
        elif refused:
            text = ""
        else:
            raise ModelError(
                f"There is no text of an answer among {', '.join(map(repr, row))[:200]}.",
                "Put it under 'answer'.",
            )
    passages = next((row[key] for key in PASSAGE_KEYS if row.get(key)), ())
    return Answer(
        question,
        text.strip(),
        refused=bool(refused) if refused is not None else says_nothing(text),
        citations=tuple(_citation(found, place) for place, found in enumerate(row.get("citations") or (), start=1)),
        hits=tuple(_hits(passages)),
        usage=_usage(row.get("usage")),
        seconds=_timing(row.get("seconds")),
    )


def _hits(passages: object) -> Iterator[Hit]:
    several = (
        [passages] if isinstance(passages, str | Mapping) else list(passages) if isinstance(passages, Sequence) else []
    )
    for place, found in enumerate(several):
        given: Mapping[str, Any] = found if isinstance(found, Mapping) else {"text": str(found)}
        chunk = given.get("chunk")
        row: Mapping[str, Any] = chunk if isinstance(chunk, Mapping) else given
        text = str(next((row[key] for key in ("text", "content", "page_content", "passage") if row.get(key)), ""))
        source = str(next((row[key] for key in ("source", "title", "document", "url") if row.get(key)), ""))
        identity = str(row.get("chunk_id") or row.get("id") or f"passage:{place}")
        page = row.get("page")
        stored_chunk = Chunk(
            identity, source, source, text, 0, len(text), place, page if isinstance(page, int) else None
        )
        score = given.get("score")
        yield Hit(stored_chunk, float(score) if isinstance(score, int | float) else 1.0 / (place + 1), ("given",))


def _citation(found: object, place: int) -> Citation:
    row = found if isinstance(found, Mapping) else {"quote": str(found)}
    quote = str(row.get("quote") or row.get("text") or "")
    page = row.get("page")
    start = int(row.get("start") or 0)
    return Citation(
        int(row.get("marker") or place),
        str(row.get("source") or ""),
        page if isinstance(page, int) else None,
        start,
        int(row.get("end") or start + len(quote)),
        quote,
    )


def _usage(found: object) -> Usage:
    if not isinstance(found, Mapping):
        return Usage()
    return Usage(int(found.get("prompt_tokens") or 0), int(found.get("completion_tokens") or 0))


def _timing(found: object) -> Timing:
    if isinstance(found, int | float):
        return Timing(total=float(found))
    if not isinstance(found, Mapping):
        return Timing()
    return Timing(*(float(found.get(name) or 0.0) for name in ("retrieve", "generate", "total")))


def _key(question: str) -> str:
    return re.sub(r"\s+", " ", question).strip().lower()


def file_hash(path: Path) -> str:
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()[:16]
