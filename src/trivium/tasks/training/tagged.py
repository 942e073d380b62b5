"""Tagged tokens: columns of BIO, BMES or BIOES, JSON with tokens and tags, and characters with spans of entities.

Whatever the scheme of the file, the samples are in BIO (Ramshaw and Marcus 1995, arXiv:cmp-lg/9505040, its second
form): `B-` begins each entity, `I-` goes on with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from trivium.tasks.records import Malformed, Problem, Record
from trivium.tasks.training.dialogue import Note
from trivium.tasks.training.names import get, key_of
from trivium.tasks.training.values import Tagged
from trivium.text.language import scripts

_TAG = re.compile(r"O|[BIMESLU]-\S+")
_SCHEME = re.compile(r"([BIMESLU])-(.+)")
_CHARACTERS = ("Han", "Hiragana", "Katakana", "Thai")
_WORD = re.compile(r"\w+|[^\w\s]")
_SAMPLE = 400
"""Lines by which a file is told."""


def to_bio(tags: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Return tags in BIO, and how many were mended: an `I-` that nothing begins.

    `M` and `I` go on, `E` and `L` end, `S` and `U` stand alone. Tags of no scheme (parts of speech) stay as they are.
    """
    found: list[str] = []
    mended = 0
    open_type = ""
    for tag in tags:
        match = _SCHEME.fullmatch(tag)
        if match is None:
            found.append(tag)
            open_type = ""
            continue
        mark, kind = match.groups()
        goes_on = mark in "IMEL" and kind == open_type
        mended += mark in "IMEL" and not goes_on
        found.append(f"{'I' if goes_on else 'B'}-{kind}")
        open_type = "" if mark in "ELSU" else kind
    return tuple(found), mended


def _tagged(tokens: Sequence[str], tags: Sequence[str], id: str, note: Note, group: str = "") -> Tagged:
    if len(tokens) != len(tags):
        raise Malformed(f"has {len(tokens)} tokens and {len(tags)} tags")
    if not tokens:
        raise Malformed("has no token")
    bio, mended = to_bio(tags)
    if mended:
        note(f"has {mended} tags that go on with nothing: taken as beginnings", "tag mended")
    return Tagged(tuple(tokens), bio, id=id, group=group)


def noting(problems: list[Problem], where: str) -> Note:
    """Return what takes the notes of one place."""
    return lambda what, kind: problems.append(Problem(where, what, kind))


# --- columns ---------------------------------------------------------------------------------------------------


def is_columns(lines: Sequence[str]) -> bool:
    """Whether lines have a token and, in the last column, a tag."""
    rows = [_columns(line) for line in lines[:_SAMPLE] if line.strip() and not line.startswith("-DOCSTART-")]
    good = sum(len(row) >= 2 and _TAG.fullmatch(row[-1]) is not None for row in rows)
    return len(rows) >= 2 and good >= 0.95 * len(rows)


def is_tags(lines: Sequence[str]) -> bool:
    """Whether lines hold tags and nothing else: the half of a pair of files."""
    rows = [line.split() for line in lines[:_SAMPLE] if line.strip()]
    return bool(rows) and all(_TAG.fullmatch(tag) for row in rows for tag in row) and any(len(row) > 1 for row in rows)


def _columns(line: str) -> list[str]:
    if "\t" in line:
        cells = line.rstrip("\r\n").split("\t")
        return [cells[0] or " ", *(cell.strip() for cell in cells[1:])]
    cells = line.split()
    return [" ", *cells] if len(cells) == 1 and line[:1] == " " else cells  # a blank is a token too


def read_columns(name: str, lines: Iterable[str], problems: list[Problem]) -> Iterator[Tagged]:
    """Yield the sentences of a file of columns; an empty line ends each. A bad line leaves out its sentence."""
    tokens: list[str] = []
    tags: list[str] = []
    start, bad, group, documents = 0, "", "", 0

    def finished() -> Iterator[Tagged]:
        where = f"{name}:{start}"
        if bad:
            problems.append(Problem(where, bad))
        elif tokens:
            yield _tagged(tokens, tags, where, noting(problems, where), group=group)

    for number, line in enumerate(lines, 1):
        if line.startswith("-DOCSTART-"):
            documents += 1
            group = f"{name}#{documents}"
            continue
        if not line.strip():
            yield from finished()
            tokens, tags, start, bad = [], [], 0, ""
            continue
        start = start or number
        row = _columns(line)
        if len(row) < 2 or not row[-1]:
            bad = bad or f"has line {number} without a tag: {line.strip()[:40]!r}"
            continue
        tokens.append(row[0])
        tags.append(row[-1])
    yield from finished()


def read_parallel(
    name: str, sentences: Iterable[str], tags: Iterable[str], problems: list[Problem]
) -> Iterator[Tagged]:
    """Yield the sentences of two files: the same line has the tokens in one and their tags in the other."""
    for number, (words, marks) in enumerate(zip(sentences, tags, strict=False), 1):
        where = f"{name}:{number}"
        try:
            if words.strip() or marks.strip():
                yield _tagged(words.split(), marks.split(), where, noting(problems, where))
        except Malformed as error:
            problems.append(Problem(where, str(error)))


# --- records ---------------------------------------------------------------------------------------------------


def is_tokens(record: Mapping[str, Any]) -> bool:
    """Whether a record has a list of tokens with a list of tags."""
    tokens, tags = _tokens(record), _tags(record)
    return isinstance(tokens, list) and isinstance(tags, list) and all(isinstance(tag, str | int) for tag in tags)


def _tokens(record: Mapping[str, Any]) -> Any:
    """Return the tokens; some files have them as a list under the name of the text."""
    found = get(record, "tokens")
    return get(record, "text") if found is None else found


def _tags(record: Mapping[str, Any]) -> Any:
    return record[key_of(record, "tags")] if key_of(record, "tags") else None


def read_tokens(record: Record, id: str, note: Note) -> Iterator[Tagged]:
    """Read tokens and tags."""
    tokens, tags = _tokens(record.value), _tags(record.value)
    if not isinstance(tokens, list) or not isinstance(tags, list):
        raise Malformed("has no list of tokens with a list of tags")
    yield _tagged([str(token) for token in tokens], [str(tag) for tag in tags], id, note)


def is_spans(record: Mapping[str, Any]) -> bool:
    """Whether a record has a text with entities marked in it: CLUENER's form, doccano's, or a list of objects."""
    marked = get(record, "entities")
    if not isinstance(get(record, "text"), str):
        return False
    if isinstance(marked, list):
        return all(_entity(one) is not None for one in marked) and bool(marked or key_of(record, "entities"))
    return isinstance(marked, Mapping) and all(isinstance(of, Mapping) for of in marked.values())


def read_spans(record: Record, id: str, note: Note) -> Iterator[Tagged]:
    """Read a text with entities as tagged characters, where its script has no blanks, or else as tagged words.

    Where two entities overlap, the longer one stays.
    """
    text, marked = get(record.value, "text"), get(record.value, "entities")
    if not isinstance(text, str):
        raise Malformed("has no text")
    entities = _cluener(text, marked) if isinstance(marked, Mapping) else [_entity(one) for one in marked or []]
    found = [entity for entity in entities if entity is not None]
    outside = [entity for entity in found if not 0 <= entity[0] < entity[1] <= len(text)]
    if outside:
        raise Malformed(f"has the entity {outside[0]}, outside its text of {len(text)} characters")
    pieces = _pieces(text)
    tags = ["O"] * len(pieces)
    for start, end, kind in sorted(found, key=lambda one: (one[0] - one[1], one[0])):
        places = [place for place, (left, right) in enumerate(pieces) if left < end and right > start]
        if any(tags[place] != "O" for place in places):
            note(f"has the entity {text[start:end]!r} within a longer one: left out", "entity within another")
            continue
        for place in places:
            tags[place] = f"{'B' if place == places[0] else 'I'}-{kind}"
    yield _tagged([text[left:right] for left, right in pieces], tags, id, note)


def _cluener(text: str, marked: Mapping[str, Any]) -> list[tuple[int, int, str]]:
    """CLUENER's entities: `{type: {words: [[first, last]]}}`, the last character counted in."""
    found = []
    for kind, of in marked.items():
        for words, spans in of.items():
            for start, last in spans:
                if text[start : last + 1] != words:
                    raise Malformed(
                        f"has the entity {words!r} at {start}, where its text has {text[start : last + 1]!r}"
                    )
                found.append((start, last + 1, kind))
    return found


def _entity(one: Any) -> tuple[int, int, str] | None:
    """An entity as `[start, end, type]` or `{start, end, label}`, the end not counted in."""
    if isinstance(one, Mapping):
        start = one.get("start", one.get("start_offset", one.get("start_idx")))
        end = one.get("end", one.get("end_offset", one.get("end_idx")))
        kind = one.get("label", one.get("type", one.get("entity")))
    elif isinstance(one, list | tuple) and len(one) == 3:
        start, end, kind = one
    else:
        return None
    fit = isinstance(start, int) and isinstance(end, int) and isinstance(kind, str)
    return (start, end, kind) if fit else None


def _pieces(text: str) -> list[tuple[int, int]]:
    found = scripts(text)
    if any(found.get(script) for script in _CHARACTERS):
        return [(place, place + 1) for place in range(len(text))]
    return [match.span() for match in _WORD.finditer(text)]
