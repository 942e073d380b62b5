"""Records of a data file, with the place of each: JSON, JSON Lines under any name, gzip, Parquet, Arrow, CSV, XLSX.

A line ends at a line feed and nowhere else (U+2028 may stand inside a JSON string). A record that cannot be read is
reported by its line, and the rest goes on.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from trivium.errors import UsageError

_SAMPLE = 1 << 16
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of a question set that was repaired, left out, or needs a look.

    `where` is the file and line (`dev.jsonl:12`) or record (`dev.json[3]`); `kind` is a short name to count by.
    """

    where: str
    what: str
    kind: str = "malformed"


@dataclass(frozen=True, slots=True)
class Record:
    """A record as its file holds it; `key` names it in an object of records, or names the list that it is in."""

    where: str
    value: dict[str, Any]
    key: str = ""


class Malformed(ValueError):
    """A record lacks what it must have, or holds it in another form. Caught and reported with its place."""


def count_problems(problems: Iterable[Problem]) -> dict[str, int]:
    """Return how many problems there are of each kind, the most frequent first."""
    return dict(Counter(problem.kind for problem in problems).most_common())


def read_records(path: str | os.PathLike[str], problems: list[Problem]) -> Iterator[Record]:
    """Yield the records of a file, of whatever form its content is; what cannot be read goes to `problems`.

    Raises:
        UsageError: the file cannot be opened, or holds no records in any known form.
    """
    file = Path(path)
    head = head_of(file)
    if head.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")):
        from trivium.tasks.arrow import read_arrow

        yield from read_arrow(file, head)
    elif head.startswith(b"PK\x03\x04"):
        from trivium.tasks.tables import read_workbook

        yield from read_workbook(file, problems)
    elif is_json(head):
        yield from _json(file, head, problems)
    else:
        from trivium.tasks.tables import read_table

        yield from read_table(file, _bytes(file), problems)


def is_json(head: bytes) -> bool:
    """Whether a file that begins so is JSON, or lines of JSON, of which the first may be bad."""
    return head.lstrip(_BOM + b" \t\r\n\0\xff\xfe")[:1] in (b"{", b"[") or _has_rows(head)


def _has_rows(head: bytes) -> bool:
    """Whether a file whose first line is no JSON has lines of JSON after it."""
    *lines, last = head.split(b"\n")
    for line in lines[:50]:
        if line.startswith(b"{") and line.rstrip().endswith(b"}"):
            try:
                return isinstance(json.loads(line), dict)
            except (ValueError, RecursionError):
                continue
    return bool(lines) and len(lines) < 50 and len(head) == _SAMPLE and last.startswith(b'{"')  # a long line


def open_bytes(path: Path) -> Any:
    """Open a file for reading bytes, unpacking gzip."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


def _bytes(path: Path) -> bytes:
    with open_bytes(path) as stream:
        data: bytes = stream.read()
    return data


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file.

    Raises:
        UsageError: it cannot be opened, or has nothing in it.
    """
    try:
        with open_bytes(path) as stream:
            head: bytes = stream.read(_SAMPLE)
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder.", "Give a file.") from None
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.", "Check the name and the folder you are in.") from None
    except (OSError, EOFError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Check the file and its permissions.") from error
    if not head.strip(b" \t\r\n\0" + _BOM):
        raise UsageError(f"{path} is empty.", "Give a file with questions in it.")
    return head


# --- JSON ------------------------------------------------------------------------------------------------------


def _json(path: Path, head: bytes, problems: list[Problem]) -> Iterator[Record]:
    """JSON Lines where the first line is a whole object and another follows, else one JSON document."""
    if _is_utf8(head):
        with open_bytes(path) as stream:
            yield from _json_stream(path, stream, problems)
        return
    from trivium.documents.decode import decode

    text = decode(_bytes(path)).text
    yield from _json_stream(path, BytesIO(text.encode("utf-8", "surrogatepass")), problems)


def _json_stream(path: Path, stream: Any, problems: list[Problem]) -> Iterator[Record]:
    first, number = b"", 0
    while not first.strip(b" \t\r\n") and (line := stream.readline()):
        first, number = line.removeprefix(_BOM), number + 1
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        others = _lines(path.name, stream, problems, number + 1)
        second = next(others, None)
        if second is None:
            yield from _members(path.name, value, problems)
            return
        yield Record(f"{path.name}:{number}", value)
        yield second
        yield from others
        return
    data = b"\n" * (number - 1) + first + stream.read()
    text = data.decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield from _broken(path, data, text, error, problems)
        return
    yield from _members(path.name, document, problems)


def _is_utf8(head: bytes) -> bool:
    """Whether a sample is UTF-8, apart from a bad byte here and there, which is its own line's problem."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head[:64].count(0) > 8:
        return False
    text = head.decode("utf-8", "replace").rstrip("\ufffd")  # the sample may end within a character
    lines = text.split("\n")
    wrong = sum("\ufffd" in line for line in lines)
    return wrong * 5 <= len(lines) or text.count("\ufffd") * 500 <= len(head)


def _lines(name: str, stream: Iterable[bytes], problems: list[Problem], first: int = 1) -> Iterator[Record]:
    for number, line in enumerate(stream, first):
        if not line.strip(b" \t\r\n\0\x1a"):
            continue
        where = f"{name}:{number}"
        try:
            value = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            problems.append(Problem(where, f"is not UTF-8 at byte {error.start + 1}"))
        except ValueError as error:
            problems.append(Problem(where, f"is not JSON: {_reason(error)}"))
        except RecursionError:
            problems.append(Problem(where, "is nested too deep to be read"))
        else:
            if isinstance(value, dict):
                yield Record(where, value)
            else:
                problems.append(Problem(where, f"holds {_kind(value)}, where a record {{...}} is wanted"))


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[0].lower()}{error.msg[1:]} at column {error.colno}"
    return str(error)


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "null")


def _broken(path: Path, data: bytes, text: str, error: Exception, problems: list[Problem]) -> Iterator[Record]:
    """Records of a file that is no JSON document: values one after another, or lines of which the first is bad."""
    values = list(_concatenated(text))
    if len(values) > 1 and all(isinstance(value, dict) for _, value in values):
        for line, value in values:
            yield Record(f"{path.name}:{line}", value)
        return
    before = len(problems)
    records = list(_lines(path.name, BytesIO(data), problems))
    if records and len(records) * 2 >= len(problems) - before:
        yield from records
        return
    del problems[before:]
    at = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    why = "nested too deep" if isinstance(error, RecursionError) else getattr(error, "msg", str(error))
    raise UsageError(
        f"{path} is neither JSON nor JSON Lines: {why}{at}.", "Mend that place; a file cut short must be fetched again."
    ) from None


def _concatenated(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the line and value of JSON values that follow one another; nothing where something else comes between."""
    decoder = json.JSONDecoder()
    found: list[tuple[int, Any]] = []
    at, line = 0, 1
    while True:
        start = at
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        line += text.count("\n", start, at)
        if at >= len(text):
            break
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        found.append((line, value))
        line += text.count("\n", at, end)
        at = end
    yield from found


def _members(name: str, document: Any, problems: list[Problem]) -> Iterator[Record]:
    """Yield the records of a JSON document: a list of them, an object of them, or lists of them within an object."""
    if isinstance(document, list):
        for number, value in enumerate(document):
            where = f"{name}[{number}]"
            if isinstance(value, dict):
                yield Record(where, value)
            else:
                problems.append(Problem(where, f"holds {_kind(value)}, where a record {{...}} is wanted"))
        return
    if not isinstance(document, dict):
        return
    is_record = bool(_IS_RECORD & set(document))
    nested = {} if is_record else {key: value for key, value in document.items() if _is_records(value)}
    if nested:
        for key, value in nested.items():
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for number, item in items:
                if isinstance(item, dict):
                    yield Record(f"{name}[{key}][{number}]", item, str(number) if isinstance(value, dict) else key)
                else:
                    what = f"holds {_kind(item)}, where a record {{...}} is wanted"
                    problems.append(Problem(f"{name}[{key}][{number}]", what))
        return
    values = list(document.values())
    if not is_record and sum(isinstance(value, dict) for value in values) * 2 > len(values):
        for key, value in document.items():
            if isinstance(value, dict):
                yield Record(f"{name}[{key}]", value, str(key))
            else:
                problems.append(Problem(f"{name}[{key}]", f"holds {_kind(value)}, where a record {{...}} is wanted"))
        return
    yield from _columns(name, document)


_IS_RECORD = {
    *("question", "query", "claim", "input", "user_input", "ambiguous_question", "QUESTION", "Question"),
    *("id", "_id", "answer", "answers", "context", "paragraphs", "qas", "supporting_facts", "evidence_list"),
    *("messages", "conversations", "instruction", "prompt", "chosen", "translation", "entities", "positive_ctxs"),
}
"""Keys of a record: an object that has one of them is a record itself, not a collection of them."""


def _is_records(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict)
    if isinstance(value, dict) and value:  # {"dev": {"id": {...}}}
        members = list(value.values())[:20]
        return all(isinstance(member, dict) and _IS_RECORD & set(member) for member in members)
    return False


def _columns(name: str, document: dict[str, Any]) -> Iterator[Record]:
    """Yield the rows of an object of equally long columns, or the object itself as the one record."""
    lengths = {len(value) for value in document.values() if isinstance(value, list)}
    texts = document.get("question") or document.get("query")
    if len(lengths) == 1 and isinstance(texts, list) and all(isinstance(v, list) for v in document.values()):
        for number in range(lengths.pop()):
            yield Record(f"{name}[{number}]", {key: value[number] for key, value in document.items()})
    else:
        yield Record(name, document)


# --- writing ---------------------------------------------------------------------------------------------------


def json_line(row: Mapping[str, Any]) -> bytes:
    """Return one record as a line of JSON Lines."""
    line = json.dumps(row, ensure_ascii=False)
    if not line.isascii():
        for separator in "\x85\u2028\u2029":  # other programs take them for line ends
            line = line.replace(separator, f"\\u{ord(separator):04x}")
    try:
        return (line + "\n").encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can only write as an escape
        return (json.dumps(row) + "\n").encode("utf-8")


def write_lines(path: str | os.PathLike[str], lines: Iterable[bytes]) -> int:
    """Write lines to a file, all of them or none; return how many."""
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    count = 0
    try:
        with part.open("wb") as stream:
            for line in lines:
                stream.write(line)
                count += 1
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, place)
    finally:
        part.unlink(missing_ok=True)
    return count
