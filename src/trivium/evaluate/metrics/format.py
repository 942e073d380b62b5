r"""Whether an answer has the form that was asked for.

`Example.format` names one form, or several joined by `; `, all of which must hold:

| form | holds where |
|---|---|
| `json` | the text is one JSON value (a code fence around it is allowed) |
| `json:{…}` | it also satisfies this JSON schema |
| `list`, `list:3`, `list>=2` | it is a list: lines with bullets or numbers, one lead-in line at most; so many items |
| `table`, `table:3`, `table<=9` | it is a Markdown or HTML table; so many rows below the header |
| `words<=20`, `characters<=60`, `sentences:1` | it is so long; a Chinese or Japanese character is a word |
| `language:zh` | it is written in this language (ISO 639-1); a text without letters is in any |
| `regex:^\d+$` | the regular expression is found in it |

Counts take `:`, `=`, `<`, `<=`, `>`, `>=`.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from trivium.errors import UnknownName, UsageError
from trivium.evaluate.metrics.normal import CJK
from trivium.models.schema import problem as schema_problem
from trivium.text.language import detect, scripts
from trivium.text.sentences import sentence_spans

Check = Callable[[str], str | None]
"""Says what is wrong with a text, None where nothing is."""

_FENCE = re.compile(r"\s*```[A-Za-z]*[ \t]*\n(.*?)\n?```\s*", re.DOTALL)
_SPEC = re.compile(r"\s*([a-z]+)\s*(?:(<=|>=|[:=<>])(.*))?", re.DOTALL)
_HAN_NUMBER = "[一二三四五六七八九十]{1,3}"
_BULLET = rf"""(?: [-*+•·▪◦‣–—][ \t]+ | \(?\d{{1,3}}[.)、．][ \t]*(?!\d) | [（(](?:\d{{1,3}}|{_HAN_NUMBER})[）)]
    | {_HAN_NUMBER}[、．.] | [①-⑳] | \(?[a-zA-Z][.)][ \t]+ )"""
_ITEM = re.compile(rf"(?P<indent>[ \t]*){_BULLET}[ \t]*\S", re.VERBOSE)
_ROW = re.compile(r"^\s*\|?.*\|.*$")
_RULE = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(?:\|\s*:?-{1,}:?\s*)*\|?\s*$")
_HTML_ROW = re.compile(r"<tr\b", re.IGNORECASE)
_HTML_TABLE = re.compile(r"<table\b.*</table\s*>", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(rf"[{CJK}]|[^\s{CJK}]+")
_LETTER = re.compile(r"[^\W_]")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ":": operator.eq,
    "=": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_SCRIPTS: dict[str, tuple[str, ...]] = {
    "zh": ("Han",),
    "ja": ("Han", "Hiragana", "Katakana"),
    "ko": ("Hangul", "Han"),
    "ru": ("Cyrillic",),
    "uk": ("Cyrillic",),
    "bg": ("Cyrillic",),
    "ar": ("Arabic",),
    "fa": ("Arabic",),
    "ur": ("Arabic",),
}
"""The scripts of languages that a short text does not tell apart; of others, Latin."""


def obeys(text: str, form: str) -> float:
    """Return 1 if the text has the form, 0 if not; an empty form is free.

    Raises:
        UsageError: the form cannot be read (see the module).
    """
    return float(problem(text, form) is None)


def problem(text: str, form: str) -> str | None:
    """Say what is wrong with the form of a text, or return None.

    Raises:
        UsageError: the form cannot be read (see the module).
    """
    return next((found for check in checks(form) if (found := check(text))), None)


@lru_cache(maxsize=1024)
def checks(form: str) -> tuple[Check, ...]:
    """Return the checks that a form names.

    Raises:
        UnknownName: a form that does not exist.
        UsageError: one whose argument is wrong.
    """
    return tuple(_check(part) for part in _PARTS.split(form) if part.strip())


def _check(part: str) -> Check:
    found = _SPEC.fullmatch(part)
    name = found[1] if found else part
    if found is None or name not in FORMS:
        raise UnknownName("format", part.strip()[:80], FORMS)
    return FORMS[name](found[2] or "", (found[3] or "").strip())


def _json(sign: str, argument: str) -> Check:
    schema: Mapping[str, Any] = {}
    if argument:
        try:
            schema = json.loads(argument)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"The schema of the format json cannot be read: {error}.", "Give it as JSON.") from None
        if not isinstance(schema, dict):
            raise UsageError("The schema of the format json is no object.", 'Write json:{"type": "object", …}.')

    def check(text: str) -> str | None:
        inside = _FENCE.fullmatch(text)
        try:
            value = json.loads(inside[1] if inside else text, parse_constant=_not_json)
        except (ValueError, RecursionError) as error:
            return f"not JSON: {error}"
        try:
            return schema_problem(value, schema)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, re.error) as error:
            raise UsageError(
                f"The schema of the format json does not make sense: {error!r}.", "Correct the question's format."
            ) from None

    return check


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _list(sign: str, argument: str) -> Check:
    fits = _count("list", sign, argument, least=1)

    def check(text: str) -> str | None:
        items, loose = list_items(text)
        if not items:
            return "no line begins with a bullet or a number"
        return loose or fits(items, "items")

    return check


def list_items(text: str) -> tuple[int, str]:
    """Return how many items a list has, and what speaks against its being one ("" where nothing does).

    Items that are indented deeper than the first belong to the item above, as indented lines do.
    """
    items = 0
    indent = 0
    for number, line in enumerate(text.strip("\n").splitlines()):
        if not line.strip():
            continue
        found = _ITEM.match(line)
        if found and (not items or len(found["indent"]) <= indent):
            items += 1
            indent = len(found["indent"])
        elif not found and not line.startswith((" ", "\t")) and (number or items):
            return items, f"line {number + 1} is not an item"
    return items, ""


def _table(sign: str, argument: str) -> Check:
    fits = _count("table", sign, argument, least=1)

    def check(text: str) -> str | None:
        rows = table_rows(text)
        return "no table" if rows is None else fits(rows, "rows")

    return check


def table_rows(text: str) -> int | None:
    """Return how many rows the first table of a text has below its header; None where there is none."""
    if found := _HTML_TABLE.search(text):
        return max(len(_HTML_ROW.findall(found[0])) - 1, 0)
    lines = text.splitlines()
    for at in range(1, len(lines)):
        header = lines[at - 1]
        if "|" in header and "-" in lines[at] and _RULE.match(lines[at]) and _cells(header) == _cells(lines[at]):
            rows = 0
            while at + 1 + rows < len(lines) and _ROW.match(lines[at + 1 + rows]):
                rows += 1
            return rows
    return None


def _cells(line: str) -> int:
    return line.strip().removeprefix("|").removesuffix("|").replace("\\|", "").count("|") + 1


def _length(name: str, count: Callable[[str], int]) -> Callable[[str, str], Check]:
    def make(sign: str, argument: str) -> Check:
        if not argument:
            raise UsageError(f"The format {name} has no number.", f"Write {name}<=20.")
        fits = _count(name, sign, argument, least=0)
        return lambda text: fits(count(text), name)

    return make


def _count(name: str, sign: str, argument: str, *, least: int) -> Callable[[int, str], str | None]:
    """Return a check of a number: by sign and argument, or where there are none at least `least`."""
    if not sign:
        return lambda n, unit: None if n >= least else f"{n} {unit}"
    if not re.fullmatch(r"\d{1,9}", argument):
        raise UsageError(f"The format {name}{sign}{argument} has no number.", f"Write {name}:3 or {name}<=3.")
    wanted = int(argument)
    return lambda n, unit: None if _COMPARE[sign](n, wanted) else f"{n} {unit}, not {sign.replace(':', '')}{wanted}"


def _language(sign: str, argument: str) -> Check:
    code = argument.lower().replace("_", "-").split("-")[0]
    if not re.fullmatch(r"[a-z]{2,3}", code):
        raise UsageError(f"{argument!r} is no language.", "Give an ISO 639-1 code, as in language:zh.")

    def check(text: str) -> str | None:
        found = detect(text)
        if found == code or not _LETTER.search(text) or (not found and not scripts(text)):
            return None
        main = next(iter(scripts(text)), "")
        if not found and main in _SCRIPTS.get(code, ("Latin",)):  # too short to tell: the script must do
            return None
        return f"written in {found or main or 'another language'}, not in {code}"

    return check


def _regex(sign: str, argument: str) -> Check:
    try:
        pattern = re.compile(argument)
    except (re.error, RecursionError) as error:
        raise UsageError(f"The format regex:{argument} cannot be read: {error}.", "Correct the expression.") from None
    return lambda text: None if pattern.search(text) else f"{argument} is not found"


FORMS: Mapping[str, Callable[[str, str], Check]] = {
    "json": _json,
    "list": _list,
    "table": _table,
    "words": _length("words", lambda text: len(_WORD.findall(text))),
    "characters": _length("characters", lambda text: len(text.strip())),
    "sentences": _length("sentences", lambda text: len(sentence_spans(text))),
    "language": _language,
    "regex": _regex,
}
_PARTS = re.compile(rf";\s+(?=(?:{'|'.join(FORMS)})(?:[:=<>;]|\s|$))")
