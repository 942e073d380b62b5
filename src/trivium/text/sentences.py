"""Where sentences begin and end, by rule: no model, any language that ends sentences with a mark.

English full stops are judged by what stands before (abbreviations, initials, decimals, list numbers) and after
(a lower-case word continues). Chinese and Japanese marks end a sentence wherever they stand. A line break ends
one unless the line looks wrapped.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from trivium.types import Span

_CLOSERS = r"""["'”’»)\]}*_`」』】》〉）〕］｝]*"""
_BOUNDARY = re.compile(
    rf"(?P<wide>[。！？；｡．…؟۔।॥።]+[。！？；…!?]*{_CLOSERS})|(?P<mark>[.!?]+[…]?{_CLOSERS})|(?P<line>[\n\r\x0b\x0c\x85\u2028\u2029]\s*)"
)
_LIST_NUMBER = re.compile(r"[\s>*+#(-]*(?:\d+(?:\.\d+)*|[A-Za-z]|[ivxIVX]{1,5})$")
_NEW_BLOCK = re.compile(  # what a line that does not continue the one before may begin with
    r"""[-*+•·▪◦–—][ \t] | \#{1,6}[ \t] | \| | > | ``` | ~~~ | [-=*_]{3,} | <
      | \(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)、．][ \t]
      | [（(]?[一二三四五六七八九十]{1,3}[、．)）]""",
    re.VERBOSE,
)
_OPENERS = "\"'“‘«([{（【「『《*_`"
_WRAP_WIDTH = 40
"""A line of at least this many columns that ends without a mark is taken to go on in the next line."""
_WORD_BEFORE = 24


@cache
def _abbreviations() -> tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
    """Return the lists `never`, `number`, `sometimes` and `openers` of the table, which says what they are."""
    lists: dict[str, set[str]] = {}
    heading = ""
    for line in files("trivium").joinpath("data/text/abbreviations.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            heading = line.strip("[]")
            lists[heading] = set()
        elif not line.startswith("#"):
            lists[heading].update(line.split())
    never, number, sometimes, openers = (frozenset(lists[name]) for name in ("never", "number", "sometimes", "openers"))
    return never, number, sometimes, openers


def sentence_spans(text: str) -> list[Span]:
    """Return the span of each sentence of `text`, in order, without white space at its ends.

    Every character of `text` that is not white space lies in exactly one span.
    """
    spans: list[Span] = []
    start = line_start = 0
    for boundary in _BOUNDARY.finditer(text):
        end = boundary.end()
        kind = boundary.lastgroup
        if kind == "line":
            cut = _line_ends(text, line_start, boundary.start(), end)
            line_start = end
        elif text.startswith("|", line_start):  # a table row is one sentence, whatever its cells say
            cut = False
        elif kind == "wide":
            cut = _wide_ends(text, boundary.start(), end)
        else:
            cut = _mark_ends(text, line_start, boundary.start(), boundary.group())
        if cut:
            _append(spans, text, start, end)
            start = end
    _append(spans, text, start, len(text))
    return spans


def _append(spans: list[Span], text: str, start: int, end: int) -> None:
    sentence = text[start:end]
    left = len(sentence) - len(sentence.lstrip())
    right = len(sentence.rstrip())
    if left < right:
        spans.append((start + left, start + right))


def _line_ends(text: str, line_start: int, at: int, after: int) -> bool:
    """Whether the line break at `at`, followed by text at `after`, ends a sentence."""
    gap = text[at:after]
    if gap.count("\n") > 1 or gap.count("\r") > 1 or "\u2029" in gap or after == len(text):
        return True
    if _NEW_BLOCK.match(text, after) or text.startswith(("#", "|", "```", "~~~"), line_start):
        return True
    # Only the last columns are looked at: a line of a megabyte must not be measured at each break.
    tail = text[max(line_start, at - 2 * _WRAP_WIDTH) : at].rstrip()
    if tail[-1:] in (":", "：", ""):
        return True
    columns = sum(2 if "\u2e80" <= c <= "\uffef" else 1 for c in tail)
    return columns < _WRAP_WIDTH and not text[after].islower()


def _wide_ends(text: str, at: int, end: int) -> bool:
    """Whether a Chinese, Japanese, Arabic or Indic mark ends a sentence: unless a number or a quotation goes on."""
    if text[at] == "．" and text[at + 1 : at + 2].isdigit():
        return False
    following = text[end : end + 1]
    if text[end - 1] in "”’」』》）)" and following:
        # 「はい。」と言った and “好。”，他说: the sentence around the quotation is not over.
        return not ("\u3041" <= following <= "\u3096" or following in "，、,：；")
    if text[at] == "…" and end - at == 1:  # a single ellipsis, as in English: only before a new sentence
        return following == "" or (following.isspace() and not _next_letter(text, end).islower())
    return True


def _next_letter(text: str, end: int) -> str:
    """Return the first character of the next word within a few characters, past white space and opening quotes."""
    for character in text[end : end + 8]:
        if not character.isspace() and character not in _OPENERS:
            return character
    return ""


def _mark_ends(text: str, line_start: int, at: int, mark: str) -> bool:
    """Whether the ASCII mark (`.`, `!`, `?` and closing quotes) at `at` ends a sentence."""
    end = at + len(mark)
    if end == len(text):
        return True
    if not text[end].isspace():
        return _joined_ends(text, at, end, mark)
    following = _next_letter(text, end)
    if mark[0] != ".":
        closed = mark[-1] in "\"'”’»)"
        return not (closed and following.islower())
    if mark.startswith(".."):
        return not following.islower()
    return _stop_ends(text, line_start, at, end, following)


def _joined_ends(text: str, at: int, end: int, mark: str) -> bool:
    """A mark with no space after it ends a sentence only between Chinese characters: `好!我们`, `好.我们`."""
    if not "\u2e80" <= text[end] <= "\uffef":
        return False
    return mark[0] != "." or (at > 0 and "\u2e80" <= text[at - 1] <= "\uffef")


def _stop_ends(text: str, line_start: int, at: int, end: int, following: str) -> bool:
    """Whether the single full stop at `at`, followed by white space and then `following`, ends a sentence."""
    before = text[max(line_start, at - _WORD_BEFORE) : at]
    word = before.rsplit(None, 1)[-1] if before.strip() and not before[-1].isspace() else ""
    if at - line_start < _WORD_BEFORE and _LIST_NUMBER.match(before):
        # `1. First` opens a list item, `A. Smith` a name; but `Vitamin` is a word.
        return False
    word = word.lstrip("\"'“‘«([{（*_`~-–—/").casefold()
    if not word:
        return not following.islower()
    never, number, sometimes, openers = _abbreviations()
    stem = word.replace("’", "'")
    if stem in never:
        return False
    if stem in number:
        return not (following.isdigit() or following in "([§#" or following == "")
    dotted = "." in stem and all(len(part) <= 2 for part in stem.split("."))
    if stem in sometimes or dotted or (len(stem) == 1 and stem.isalpha()):
        return _opens(text, end, openers)
    if following.islower():
        return len(stem) >= 4 and stem.isalpha()
    return True


def _opens(text: str, end: int, openers: frozenset[str]) -> bool:
    """Whether the text after `end` begins with a word that commonly opens an English sentence."""
    following = text[end : end + 32].split(None, 1)
    if not following:
        return True
    word = following[0].strip(_OPENERS + ".,;:!?”’»)]}")
    return word[:1].isupper() and word.casefold() in openers
