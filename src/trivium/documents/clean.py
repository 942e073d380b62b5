"""Make the text of a file fit to be stored and searched, before any span of it is taken.

What is printed for the eye only goes: line-end hyphens, running heads and page numbers, white space, full-width
letters. What carries meaning stays: Chinese punctuation, code, the cells of tables.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, product, zip_longest

from trivium.documents.parts import Part

_FULL_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
# The other full-width signs are Chinese punctuation (，：？！（）) or belong to numbers and code.
_FULL_WIDTH |= {
    ord(wide): narrow for wide, narrow in zip("＠＃＄％＆＊＋－／＝＿｛｝＼＾｀", "@#$%&*+-/=_{}\\^`", strict=True)
}
_INVISIBLE = dict.fromkeys(
    (
        0x00AD,  # soft hyphen
        0x200B,  # zero-width space
        0x2060,  # word joiner
        0xFEFF,  # byte-order mark in the midst of a text
        0xFFFE,
        0xFFFF,
        *range(0x202A, 0x202F),  # marks of writing direction
        *range(0x2066, 0x206A),
        0x200E,
        0x200F,
    ),
    None,
)
_CONTROLS = dict.fromkeys((*range(9), 0x0B, *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)), None)
_SPACES = dict.fromkeys((0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F), " ")
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_LINES = {0x2028: "\n", 0x2029: "\n\n", 0x85: "\n", 0x0C: "\n\n"}
_PROSE = {**_CONTROLS, **_INVISIBLE, **_SPACES, **_LIGATURES, **_LINES, **_FULL_WIDTH}
_CODE = {**_CONTROLS, 0xFEFF: None, 0x0C: "\n"}
_TRAILING = re.compile(r"(?<![ \t\u3000])[ \t\u3000]++(?=\n)")
_BLANK_LINES = re.compile(r"\n{3,}")
_RUNS = re.compile(r"(?<=\S)[ \t]{2,}|(?<=\S)\t")
_SPACED_WIDE = re.compile(r"(?<=\S)\u3000+(?=\S)")
_HAN = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_SPREADABLE = rf"[{_HAN}，。、；：？！（）《》「」…０-９0-9]"
_SPREAD = re.compile(rf"(?:{_SPREADABLE} ){{4,}}{_SPREADABLE}?")
_SPREAD_GAP = re.compile(rf"(?<={_SPREADABLE}) (?={_SPREADABLE})")
_PAGE_NUMBER = re.compile(
    r"\W{0,3}(?:(?:page|seite|p\.|pg\.?)\s*)?(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:/|of|von|de)\s*\d{1,4})?\W{0,3}"
    r"|第\s*[\d一二三四五六七八九十百]{1,5}\s*页(?:\s*[/，,]?\s*共\s*[\d一二三四五六七八九十百]{1,5}\s*页)?",
    re.I,
)
_EDGE = 3


def clean(parts: Iterable[Part]) -> list[Part]:
    """Return `parts` with the text of each cleaned by its kind; parts left without text are dropped."""
    cleaned = (replace(part, text=_clean_text(part)) for part in parts)
    return [part for part in cleaned if part.text]


def _clean_text(part: Part) -> str:
    if part.kind == "code":
        return clean_code(part.text)
    if part.kind == "prose":
        return clean_prose(part.text)
    lines = (_RUNS.sub(" ", clean_prose(line)) for line in part.text.split("\n"))
    return "\n".join(lines).strip() if part.kind == "table" else " ".join(lines).strip()


def clean_code(text: str) -> str:
    """Return `text` with plain line ends and without control characters; nothing else is touched."""
    return _without_trailing(_plain_breaks(text).translate(_CODE)).strip("\n")


def clean_prose(text: str) -> str:
    """Return `text` in composed characters (NFC), with plain spaces, half-width letters and digits, no ligatures.

    Line breaks stay, at most one blank line in a row. Indentation stays, for it may be a list or code.
    """
    # Each step first looks whether it has anything to do: on 200 MB of text that is most of the time spent.
    text = _plain_breaks(text)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    text = _without_trailing(text.translate(_PROSE))
    if "  " in text or "\t" in text:
        text = _RUNS.sub(" ", text)
    if "\u3000" in text:
        text = _SPACED_WIDE.sub(" ", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip("\n").rstrip()


def close_spread(text: str) -> str:
    """Return `text` with its spread Chinese closed: some typesetters put a space after each character."""
    return _SPREAD.sub(lambda found: _SPREAD_GAP.sub("", found.group()), text)


def _plain_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _without_trailing(text: str) -> str:
    """Return `text` without white space at the ends of its lines."""
    if " \n" in text or "\t\n" in text or "\u3000\n" in text:
        text = _TRAILING.sub("", text)
    return text.rstrip(" \t\u3000")


def join_lines(lines: Sequence[str], words: Mapping[str, int] | None = None) -> str:
    """Join the printed lines of one paragraph: hyphens at line ends are undone, Chinese takes no space.

    Args:
        lines: printed lines; U+FFFE at the end of one stands for a hyphen that PDFium took for the printer's.
        words: how often each word, in lower case, occurs in the document: it decides between `com-` + `pile`
            (the printer's hyphen) and `year-` + `over` (the writer's).
    """
    text = ""
    for line in lines:
        line = line.strip()
        if not line:
            continue
        text = _joined(text, line, words or {}) if text else line
    return text.rstrip("\ufffe").replace("\ufffe", "-")


def _joined(text: str, line: str, words: Mapping[str, int]) -> str:
    last, first = text[-1], line[0]
    if last in _HYPHENS and len(text) > 1 and text[-2].isalpha() and first.isalnum():
        return text[:-1] + ("-" if _keeps_hyphen(text, line, words) else "") + line
    if last == "\ufffe":
        return text[:-1] + line
    return text + line if is_wide(last) and is_wide(first) else f"{text} {line}"


_HYPHENS = "-\u2010\u00ad\ufffe"
_WORD = re.compile(r"[^\W\d_]+")


def _keeps_hyphen(text: str, line: str, words: Mapping[str, int]) -> bool:
    """Whether the hyphen at the end of `text` is the writer's."""
    before = text[:-1].rsplit(None, 1)[-1]
    match = _WORD.match(line)
    after = match.group() if match else ""
    left = before.rsplit("-", 1)[-1].lstrip("(\"'“‘[").lower()
    if not after or not after[0].islower() or "-" in before.strip("-"):
        return True
    if words.get(left + after.lower()):
        return False
    if words.get(f"{left}-{after.lower()}"):
        return True
    whole = min(words.get(left, 0), words.get(after.lower(), 0)) > 1 and min(len(left), len(after)) > 2
    return whole and text[-1] != "\u00ad"


def words_of(text: str) -> Mapping[str, int]:
    """Count the words of a text, and the pairs that a hyphen joins, for `join_lines`."""
    counts: dict[str, int] = {}
    for match in re.finditer(r"[^\W\d_]+(?:-[^\W\d_]+)*", text.lower()):
        word = match.group()
        counts[word] = counts.get(word, 0) + 1
        if "-" in word:
            pieces = word.split("-")
            for left, right in pairwise(pieces):
                pair = f"{left}-{right}"
                counts[pair] = counts.get(pair, 0) + (pair != word)
                counts[left] = counts.get(left, 0) + 1
            counts[pieces[-1]] = counts.get(pieces[-1], 0) + 1
    return counts


def is_wide(character: str) -> bool:
    """Whether a character is written without spaces around it."""
    return unicodedata.east_asian_width(character) in "WF" and not "\uac00" <= character <= "\ud7a3"


def drop_running_lines(pages: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the lines of each page without what recurs at the top or the foot of the pages, and page numbers.

    A line recurs when it stands among the first or last three lines of at least three pages, and of more than
    half of them (or of every second one: left and right pages differ), page numbers apart.
    """
    masks = running_lines(pages)
    return [
        [line for line, gone in zip(page, mask, strict=True) if not gone]
        for page, mask in zip(pages, masks, strict=True)
    ]


def running_lines(pages: Sequence[Sequence[str]]) -> list[list[bool]]:
    """Tell for each line of each page whether it is a running head, a running foot or a page number."""
    edges = [_edge_lines(page) for page in pages]
    counts: dict[str, int] = {}
    for number, (page, edge) in enumerate(zip(pages, edges, strict=True)):
        for pattern in {pattern for at in edge for pattern in _patterns(page[at], number)}:
            counts[pattern] = counts.get(pattern, 0) + 1
    needed = max(3, len(pages) // 3 + 1)
    masks = []
    for number, (page, edge) in enumerate(zip(pages, edges, strict=True)):
        mask = [False] * len(page)
        for at in edge:
            line = page[at].strip()
            counted = len(pages) > 1 and bool(_PAGE_NUMBER.fullmatch(line))
            mask[at] = counted or any(counts[pattern] >= needed for pattern in _patterns(line, number))
        masks.append(_outermost(mask, edge))
    return masks


def _edge_lines(page: Sequence[str]) -> list[int]:
    """Return the places of the first and the last lines that have text."""
    filled = [at for at, line in enumerate(page) if line.strip()]
    return sorted({*filled[:_EDGE], *filled[-_EDGE:]})


def _outermost(mask: list[bool], edge: list[int]) -> list[bool]:
    """Keep only marks that nothing unmarked separates from the page's edge: no number is dropped inside a text."""
    kept = [False] * len(mask)
    for order in (edge, edge[::-1]):
        for at in order:
            if not mask[at]:
                break
            kept[at] = True
    return kept


def _patterns(line: str, page: int) -> list[str]:
    """Return what a line looks like on every page where it runs through them.

    Each of its numbers may count the pages or be the same on all (`Page 3 of 12`); other numbers are no running
    line's: `Balance: 5,310` stays.
    """
    text = " ".join(line.split()).casefold()[:_LONGEST_LINE]
    if not text:
        return []
    numbers = _NUMBERS.findall(text)[:_MOST_NUMBERS]
    pieces = _NUMBERS.split(text, maxsplit=_MOST_NUMBERS)
    counted = [(number, f"#{int(number) - page}#") for number in numbers]
    return ["".join(map("".join, zip_longest(pieces, chosen, fillvalue=""))) for chosen in product(*counted)]


_NUMBERS = re.compile(r"\d{1,9}")
_MOST_NUMBERS = 3
_LONGEST_LINE = 200
