"""More training samples by rule: synonyms from a table, and slips of the keyboard.

Only what a sample asks is changed, never what it teaches. A changed sample is of the group of the one it was made
from, so that a later split keeps them together.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from trivium.errors import UsageError
from trivium.tasks.training.parts import question_of, seed_of, with_question
from trivium.tasks.training.values import Sample, Tagged, TrainingSet
from trivium.text.chinese import segment

_WORD = re.compile(r"[㐀-鿿]+|[^\W\d_㐀-鿿]+(?:['’-][^\W\d_㐀-鿿]+)*")
_HAN = re.compile(r"[㐀-鿿]")
_CILIN = re.compile(r"[A-Z][a-z]\d\d[A-Z]\d\d([=#@])\s+")
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHORTEST = 4
"""Letters of a word that a slip may fall into: its first and its last stay, so that it can still be read."""

Synonyms = Mapping[str, tuple[str, ...]]


def read_synonyms(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """Read a table of synonyms: a line for each group of words, between commas or tabs.

    `fast => quick, rapid` goes one way only. A JSON object of lists, and Cilin's lines (`Aa01A01= 人 士`; those with
    `#` and `@` are no synonyms and are passed over) are read too. A line that begins with `#` is a remark.

    Raises:
        UsageError: there is no such file, it holds none, or a line has one word alone.
    """
    file = Path(path)
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The synonyms {file} cannot be read: {error}.", "Give a text file in UTF-8.") from error
    found: dict[str, dict[str, None]] = {}
    for one, others in _groups(file, text):
        found.setdefault(one.casefold(), {}).update(dict.fromkeys(other for other in others if other != one))
    table = {word: tuple(others) for word, others in found.items() if others}
    if not table:
        raise UsageError(f"{file} holds no synonyms.", "Write a group a line: fast, quick, rapid")
    return table


def _groups(file: Path, text: str) -> Iterator[tuple[str, list[str]]]:
    if text.lstrip()[:1] == "{":
        try:
            yield from ((word, [str(other) for other in others]) for word, others in json.loads(text).items())
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{file} is no object of lists of words: {error}.", 'Write {"fast": ["quick"]}.'
            ) from error
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := _CILIN.match(line):
            words = line[match.end() :].split()
            yield from ((word, words) for word in words if match[1] == "=")
            continue
        left, arrow, right = line.partition("=>")
        words = [word.strip() for word in re.split(r"[,，、\t]", right or left) if word.strip()]
        if arrow and left.strip() and words:
            yield left.strip(), words
        elif arrow or len(words) < 2:
            raise UsageError(
                f"{file}:{number} has no two synonyms: {line.strip()[:60]!r}.", "Write: fast, quick, rapid"
            )
        else:
            yield from ((word, words) for word in words)


def synonyms(given: TrainingSet, table: Synonyms, *, share: float = 0.2, copies: int = 1, seed: int = 0) -> TrainingSet:
    """Return the set with copies in which words have given way to synonyms (Zhang et al. 2015, arXiv:1509.01626).

    Of tagged samples, only tokens outside entities give way. A sample without any word of the table has no copy.

    Args:
        given: the training part of a set.
        table: synonyms by word, in lower case; see `read_synonyms`. Every one of them must fit wherever the word does.
        share: of the words that the table has, those that give way, above 0 and at most 1; at least one.
        copies: of each sample.
        seed: another seed, other words.

    Raises:
        UsageError: a number is out of range.
    """

    def changed(text: str, draw: random.Random) -> str:
        places = [span for span in _words(text) if text[slice(*span)].casefold() in table]
        chosen = set(draw.sample(places, _some(len(places), share))) if places else set()
        parts, at = [], 0
        for start, end in places:
            if (start, end) in chosen:
                parts += [text[at:start], _like(text[start:end], draw.choice(table[text[start:end].casefold()]))]
                at = end
        return "".join([*parts, text[at:]])

    def retagged(sample: Tagged, draw: random.Random) -> Tagged:
        fit = {
            place: [one for one in table[token.casefold()] if " " not in one]
            for place, (token, tag) in enumerate(zip(sample.tokens, sample.tags, strict=True))
            if tag == "O" and token.casefold() in table
        }
        places = [place for place, others in fit.items() if others]
        chosen = set(draw.sample(places, _some(len(places), share))) if places else set()
        tokens = [_like(one, draw.choice(fit[n])) if n in chosen else one for n, one in enumerate(sample.tokens)]
        return replace(sample, tokens=tuple(tokens))

    _check(share, copies)
    return _with_copies(given, "synonyms", copies, seed, changed, retagged)


def noise(given: TrainingSet, *, rate: float = 0.05, copies: int = 1, seed: int = 0) -> TrainingSet:
    """Return the set with copies that have slips: letters swapped, left out, doubled, or a neighbouring key's.

    Numbers, the first and the last letter of a word and words of three letters stay (Belinkov and Bisk 2017,
    arXiv:1711.02173). Of Chinese words, characters are swapped or left out. Tagged samples have no copies.

    Args:
        given: the training part of a set.
        rate: the share of letters that a slip falls on, above 0 and at most 1; at least one slip a copy.
        copies: of each sample.
        seed: another seed, other slips.

    Raises:
        UsageError: a number is out of range.
    """

    def changed(text: str, draw: random.Random) -> str:
        places = [place for start, end in _words(text) for place in _open_places(text, start, end)]
        chosen = sorted(draw.sample(places, _some(len(places), rate)), reverse=True) if places else []
        for place in chosen:  # from the end, so that the places before it hold
            text = _slip(text, place, draw)
        return text

    _check(rate, copies)
    return _with_copies(given, "noise", copies, seed, changed, None)


def _check(share: float, copies: int) -> None:
    if not 0.0 < share <= 1.0 or copies < 1:
        raise UsageError(
            f"A share of {share} and {copies} copies were asked.", "Give above 0 to 1, and 1 copy or more."
        )


def _some(count: int, share: float) -> int:
    return min(count, max(1, round(share * count)))


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of words; a run of Chinese characters is cut into words."""
    for match in _WORD.finditer(text):
        if not _HAN.match(match[0]):
            yield match.span()
            continue
        at = match.start()
        for word in segment(match[0]):
            yield at, at + len(word)
            at += len(word)


def _like(word: str, other: str) -> str:
    """Return another word with the capitals of the first."""
    if len(word) > 1 and word.isupper():
        return other.upper()
    return other[:1].upper() + other[1:] if word[:1].isupper() else other


def _open_places(text: str, start: int, end: int) -> range:
    if _HAN.match(text, start):
        return range(start, end - 1)
    return range(start + 1, end - 2) if end - start >= _SHORTEST else range(0)


def _slip(text: str, place: int, draw: random.Random) -> str:
    letter, after = text[place], text[place + 1]
    kinds = ["drop"] if _HAN.match(letter) else ["drop", "double", "neighbour"]
    kind = draw.choice(kinds if letter == after else ["swap", *kinds])
    if kind == "swap":
        return text[:place] + after + letter + text[place + 2 :]
    if kind == "drop":
        return text[:place] + text[place + 1 :]
    if kind == "neighbour" and (near := _neighbours(letter.lower())):
        other = draw.choice(near)
        return text[:place] + (other.upper() if letter.isupper() else other) + text[place + 1 :]
    return text[:place] + letter + text[place:]


def _neighbours(letter: str) -> list[str]:
    """Return the letters beside one on its row of an English keyboard."""
    row = next((row for row in _KEYS if letter in row), "")
    at = row.find(letter)
    return [row[place] for place in (at - 1, at + 1) if row and 0 <= place < len(row)]


def _with_copies(
    given: TrainingSet,
    name: str,
    copies: int,
    seed: int,
    changed: Callable[[str, random.Random], str],
    retagged: Callable[[Tagged, random.Random], Tagged] | None,
) -> TrainingSet:
    samples: list[Sample] = []
    made = 0
    for sample in given.samples:
        grouped = in_group(sample)
        samples.append(grouped)
        held = {question_of(sample)}
        for turn in range(1, copies + 1):
            draw = random.Random(seed_of(seed, f"{name}\n{sample.id}\n{turn}"))
            id = f"{sample.id}~{name}{turn}"
            copy: Sample | None = None
            if isinstance(grouped, Tagged):
                copy = replace(retagged(grouped, draw), id=id) if retagged is not None else None
                copy = None if copy is None or copy.tokens == grouped.tokens else copy
            elif (text := question_of(grouped)).strip() and (other := changed(text, draw)) not in held:
                held.add(other)
                copy = with_question(grouped, other, id)
            if copy is not None:
                samples.append(copy)
                made += 1
    report = {**given.report, f"made ({name})": made, "samples": len(samples)}
    return replace(given, samples=tuple(samples), report=report)


def in_group(sample: Sample) -> Sample:
    """Return a sample in its group: one that stands for itself becomes a group of its own, which copies then join."""
    return sample if sample.group else replace(sample, group=sample.id)
