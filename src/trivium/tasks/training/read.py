"""Training sets of any known format, told by the content of the file; docs/training-data.md lists the formats."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from trivium.documents.decode import decode
from trivium.errors import UnknownName, UsageError
from trivium.tasks.questions import read_questions
from trivium.tasks.records import Malformed, Problem, Record, count_problems, head_of, is_json, open_bytes, read_records
from trivium.tasks.sheet import FORM_ERRORS
from trivium.tasks.training import dialogue, folders, rows, spans, table, tagged
from trivium.tasks.training.convert import as_kind, dialogues_of, retrieval_of
from trivium.tasks.training.names import get, known
from trivium.tasks.training.table import Columns
from trivium.tasks.training.values import (
    KINDS,
    Kind,
    Labelled,
    Pair,
    Retrieval,
    Sample,
    SpanQuestion,
    Text,
    TrainingSet,
)

Unit = Literal["line", "paragraph", "file"]
Read = Callable[[Record, str, dialogue.Note], Iterator[Sample]]


@dataclass(frozen=True, slots=True)
class Format:
    """A form of record: the kind of its samples, whether a record has it, and how to read one."""

    kind: Kind
    recognise: Callable[[Mapping[str, Any]], bool]
    read: Read


FORMATS: Mapping[str, Format] = {
    "preference": Format("preference", dialogue.is_preference, dialogue.read_preference),
    "rated": Format("rated", dialogue.is_rated, dialogue.read_rated),
    "sharegpt": Format("dialogue", dialogue.is_sharegpt, dialogue.read_messages),
    "messages": Format("dialogue", dialogue.is_messages, dialogue.read_messages),
    "squad": Format("span", spans.is_squad, spans.read_squad),
    "dureader": Format("span", spans.is_dureader, spans.read_dureader),
    "dureader retrieval": Format("retrieval", spans.is_dureader, spans.read_dureader_retrieval),
    "seed tasks": Format("dialogue", dialogue.is_seed_task, dialogue.read_seed_task),
    "alpaca": Format("dialogue", dialogue.is_alpaca, dialogue.read_alpaca),
    "retrieval": Format("retrieval", rows.is_retrieval, rows.read_retrieval),
    "tokens": Format("tagged", tagged.is_tokens, tagged.read_tokens),
    "entities": Format("tagged", tagged.is_spans, tagged.read_spans),
    "pair": Format("pair", rows.is_pair, rows.read_pair),
    "prompt completion": Format("dialogue", dialogue.is_prompt_completion, dialogue.read_prompt_completion),
    "labelled": Format("labelled", rows.is_labelled, rows.read_labelled),
    "text": Format("text", rows.is_text, rows.read_text),
}
"""The forms of a record. The first that recognises one reads it."""

_CURE = "Give samples in one of the forms of docs/training-data.md, or say which column is which with columns."
_PROSE = (".txt", ".md", "")


@dataclass(slots=True)
class _Found:
    """What has been read so far: samples with the format of each, rows seen, problems."""

    samples: list[tuple[str, Sample]]
    problems: list[Problem]
    rows: int = 0


def read_training(
    path: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    split: str = "",
    columns: Columns | None = None,
    unit: Unit = "line",
) -> TrainingSet:
    """Read a training set of any known format, told by its content.

    A row that cannot be read is left out and reported in `problems` with its place; the rest goes on.

    Args:
        path: a file (JSON, JSON Lines, CSV, TSV, XLSX, Parquet, Arrow, plain text, as it is or in gzip), or a folder:
            a data set as saved or as published, a sentence file beside its tag file, a text in two languages.
        kind: of the samples wanted, a key of `KINDS`; where the file's own kind is another, it is converted.
        split: of a folder that has several; by default `train`.
        columns: the column of each role, where the names tell nothing: `{"text": "tweet", "label": "polarity"}`.
        unit: what one sample of a plain text is: a line, a paragraph between empty lines, or the file.

    Raises:
        UnknownName: there is no such kind, or no such split.
        UsageError: there is no such file, its format is unknown, or it holds no sample; the first bad row is named.
    """
    if kind is not None and kind not in KINDS:
        raise UnknownName("kind of training sample", kind, KINDS)
    place = Path(path)
    found = _Found([], [])
    name = place.resolve().name
    if place.is_dir():
        name = _read_folder(place, split, kind, columns, unit, found)
    else:
        _read_file(place, kind, columns, unit, found)
    return _as_set(place, name, kind, found)


def _as_set(place: Path, name: str, kind: Kind | None, found: _Found) -> TrainingSet:
    if not found.samples:
        first = next(iter(found.problems), None)
        why = f": {first.where} {first.what}" if first else ""
        raise UsageError(f"{place} holds no training samples{why}.", _CURE)
    kinds = Counter(_kind_of(sample) for _, sample in found.samples)
    chosen = cast(Kind, kind if kind in kinds else kinds.most_common(1)[0][0])
    samples = [sample for _, sample in found.samples if _kind_of(sample) == chosen]
    for _, sample in found.samples if len(kinds) > 1 else ():
        if _kind_of(sample) != chosen:
            what = f"is of the kind {_kind_of(sample)!r}, and most others are of the kind {chosen!r}"
            found.problems.append(Problem(sample.id, what, "another kind"))
    if chosen == "labelled":
        samples = list(rows.settled([sample for sample in samples if isinstance(sample, Labelled)]))
    formats = Counter(format for format, sample in found.samples if _kind_of(sample) == chosen)
    report = {"rows": found.rows, "samples": len(samples), **count_problems(found.problems)}
    one = TrainingSet(chosen, tuple(samples), formats.most_common(1)[0][0], report, tuple(found.problems), _stem(name))
    return as_kind(one, kind) if kind is not None else one


def _kind_of(sample: Sample) -> str:
    return next(kind for kind, of in KINDS.items() if isinstance(sample, of))


def _stem(name: str) -> str:
    for ending in (".gz", ".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".xlsx", ".parquet", ".arrow", ".txt"):
        name = name.removesuffix(ending) or name
    return name


# --- folders ---------------------------------------------------------------------------------------------------


def _read_folder(
    folder: Path, split: str, kind: Kind | None, columns: Columns | None, unit: Unit, found: _Found
) -> str:
    """Read a folder; return the name of what was read."""
    if _read_tag_files(folder, found):
        return folder.resolve().name
    splits = folders.splits_of(folder)
    if not splits:
        raise UsageError(f"The folder {folder} holds no data file.", "Give the file itself.")
    chosen = folders.chosen_split(folder, splits, split)
    files = splits[chosen]
    if others := folders.translations(files[0]):
        _read_translations(files[0], others, found)
    else:
        for path in files:
            _read_file(path, kind, columns, unit, found)
    return "-".join(filter(None, (folder.resolve().name, chosen)))


def _read_tag_files(folder: Path, found: _Found) -> bool:
    """Read a folder that has, of the same number of lines, a file of sentences and a file of their tags."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix in _PROSE]
    if len(files) != 2:
        return False
    lines = {path: folders.lines_of(path) for path in files}
    tags = [path for path in files if tagged.is_tags(lines[path])]
    if len(tags) != 1:
        return False
    (words,) = (path for path in files if path != tags[0])
    if len(lines[words]) != len(lines[tags[0]]):
        raise UsageError(
            f"{words} has {len(lines[words])} lines, and {tags[0].name} {len(lines[tags[0]])}.",
            "A sentence and its tags stand in the same line.",
        )
    found.rows += len(lines[words])
    read = tagged.read_parallel(words.name, lines[words], lines[tags[0]], found.problems)
    found.samples += [("tag files", sample) for sample in read]
    return True


def _read_translations(path: Path, others: list[Path], found: _Found) -> None:
    """Read a text and the same in another language, line by line.

    Raises:
        UsageError: there are several others, or the two have not the same number of lines.
    """
    if len(others) > 1:
        names = ", ".join(other.name for other in others)
        raise UsageError(
            f"{path.name} has several texts beside it: {names}.", "Put the two that are wanted in a folder."
        )
    source, target = folders.lines_of(path), folders.lines_of(others[0])
    if len(source) != len(target):
        raise UsageError(
            f"{path} has {len(source)} lines, and {others[0].name} {len(target)}.", "Give texts that go line by line."
        )
    languages = "-".join(folders.stem_and_language(one)[1] for one in (path, others[0]))
    found.rows += len(source)
    for number, (one, other) in enumerate(zip(source, target, strict=True), 1):
        where = f"{path.name}:{number}"
        if one.strip() and other.strip():
            found.samples.append(("parallel text", Pair(one.strip(), other.strip(), languages, id=where)))
        elif one.strip() or other.strip():
            found.problems.append(Problem(where, "is empty in one of the two languages"))


# --- files -----------------------------------------------------------------------------------------------------


def _read_file(path: Path, kind: Kind | None, columns: Columns | None, unit: Unit, found: _Found) -> None:
    head = head_of(path)
    if head.startswith(b"PK\x03\x04"):
        from trivium.tasks.tables import read_workbook

        wanted = set((columns or {}).values())
        _take(
            path,
            read_workbook(path, found.problems, lambda row: known(tuple(row)) or bool(wanted & set(row))),
            kind,
            columns,
            found,
        )
        return
    if head.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")) or is_json(head):
        try:
            _take(path, read_records(path, found.problems), kind, columns, found)
            return
        except UsageError:
            if path.name.lower().removesuffix(".gz").endswith((".txt", ".md")) and not found.samples:
                pass  # prose may begin with a bracket
            else:
                raise
    _read_text(path, kind, columns, unit, found)


def _read_text(path: Path, kind: Kind | None, columns: Columns | None, unit: Unit, found: _Found) -> None:
    with open_bytes(path) as stream:
        content = decode(stream.read()).text.removeprefix("\ufeff")
    lines = content.replace("\r\n", "\n").split("\n")
    if tagged.is_tags(lines):
        raise UsageError(f"{path} holds tags and no tokens.", "Give the folder that has the file of sentences too.")
    if tagged.is_columns(lines):
        sentences = list(tagged.read_columns(path.name, lines, found.problems))
        found.rows += len(sentences)
        found.samples += [("tag columns", sentence) for sentence in sentences]
        return
    if table.is_fasttext(lines):
        _take(path, table.read_fasttext(path.name, lines, found.problems), kind, None, found)
        return
    others = folders.translations(path) if kind in (None, "pair") else []
    if others:
        _read_translations(path, others, found)
        return
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    delimiter = "" if kind == "text" and columns is None else table.delimiter_of(content, ending, columns)
    if delimiter and columns:
        records = table.numbered(path.name, content, delimiter, found.problems, columns)
        _take(path, records, kind, None, found)
    elif delimiter:
        _take(path, table.read_rows(path.name, content, delimiter, found.problems), kind, None, found)
    else:
        texts = list(_texts(path.name, lines, unit))
        found.rows += len(texts)
        found.samples += [("plain text", one) for one in texts]


def _texts(name: str, lines: list[str], unit: Unit) -> Iterator[Text]:
    if unit == "file":
        whole = "\n".join(lines).strip()
        if whole:
            yield Text(whole, id=name, group=name)
        return
    held: list[str] = []
    start = 0
    for number, line in enumerate([*lines, ""], 1):
        if unit == "line" and line.strip():
            yield Text(line.rstrip("\r"), id=f"{name}:{number}")
        elif line.strip():
            start = start if held else number
            held.append(line.rstrip("\r"))
        elif held:
            yield Text("\n".join(held), id=f"{name}:{start}")
            held = []


# --- records ---------------------------------------------------------------------------------------------------


def _take(path: Path, records: Iterable[Record], kind: Kind | None, columns: Columns | None, found: _Found) -> None:
    """Read records, each in its own form; those of no known form in the form of most others, which says what lacks."""
    wanted = {name: form for name, form in FORMATS.items() if kind is None or form.kind == kind}
    formats: Counter[str] = Counter()
    unknown: list[Record] = []
    taken: set[str] = {sample.id for _, sample in found.samples}
    start = len(found.samples)
    for record in records:
        found.rows += 1
        record = table.choose(record, columns) if columns else record
        name = _format_of(record.value, wanted) or _format_of(record.value, FORMATS)
        if not name:
            unknown.append(record)
            continue
        formats[name] += 1
        _read_one(name, record, found, taken)
    usual = formats.most_common(1)[0][0] if formats else ""
    if not formats and unknown and columns is None and _from_questions(path, kind, found):
        return
    for record in unknown:
        if usual:
            _read_one(usual, record, found, taken)
            continue
        keys = ", ".join(map(repr, list(record.value)[:8])) or "nothing"
        what = f"is no training sample of a known form: it has {keys}"
        found.problems.append(Problem(record.where, what, "unknown form"))
    read = found.samples[start:]
    passages = any(isinstance(sample, Retrieval | SpanQuestion) for _, sample in read)
    if kind == "retrieval" and read and not passages and columns is None:  # a question set has its evidence
        del found.samples[start:]
        if not _from_questions(path, kind, found):
            found.samples += read


def _format_of(record: Mapping[str, Any], formats: Mapping[str, Format]) -> str:
    for name, form in formats.items():
        with suppress(*FORM_ERRORS):  # a record that breaks off half way is not of the form
            if form.recognise(record):
                return name
    return ""


def _read_one(name: str, record: Record, found: _Found, taken: set[str]) -> None:
    own = get(record.value, "id")
    id = str(own) if isinstance(own, str | int) and not isinstance(own, bool) and str(own).strip() else record.where
    id = record.where if id in taken else id
    group = record.value.get("group")
    note = tagged.noting(found.problems, record.where)
    try:
        for sample in FORMATS[name].read(record, id, note):
            if isinstance(group, str) and group:
                sample = replace(sample, group=group)
            own, number = sample.id, 1
            while own in taken:  # an id that another sample has would name both
                number += 1
                own = f"{sample.id}#{number}"
            taken.add(own)
            found.samples.append((name, sample if own == sample.id else replace(sample, id=own)))
    except Malformed as error:
        found.problems.append(Problem(record.where, str(error)))
    except FORM_ERRORS as error:
        lacks = isinstance(error, KeyError)
        what = f"has no {error}" if lacks else f"holds a value of another form than {name!r} has ({error})"
        found.problems.append(Problem(record.where, what))


def _from_questions(path: Path, kind: Kind | None, found: _Found) -> bool:
    """Read a question set of another form, as question and answer, or as question and passages."""
    if kind not in (None, "dialogue", "retrieval"):
        return False
    try:
        questions = read_questions(path)
    except UsageError:
        return False
    samples: tuple[Sample, ...] = (
        retrieval_of(questions.examples, questions.documents)
        if kind == "retrieval"
        else dialogues_of(questions.examples)
    )
    found.samples += [(f"question set ({questions.format})", sample) for sample in samples]
    found.problems[:] = questions.problems
    return bool(samples)
