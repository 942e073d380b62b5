"""From the printed lines of a PDF page to paragraphs, headings, lists and tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from trivium.documents.clean import close_spread, is_wide, join_lines, words_of
from trivium.documents.parts import PARAGRAPH, Part
from trivium.documents.readers.pdf_lines import SOFT_HYPHEN, Line, Segment
from trivium.documents.readers.pdf_tables import find_tables

_BULLET = re.compile(r"^\s*([•▪◦●○■□➢➤►▶✓✔❖‣⁃∙·\uf0b7\uf0a7\uf0d8\uf0fc]|[-–—*](?=\s))\s*")
_NUMBER = re.compile(
    r"^\s*(?:\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]|\[\d{1,3}\]|[（(]?[一二三四五六七八九十]{1,3}[、）)])\s+"
)
_LABEL = re.compile(r"(?:\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]|\[\d{1,3}\]|\d+(?:\.\d+)+\.?|[•▪◦●○■➢➤►‣∙·])$")
_SENTENCE_END = re.compile(r"[.!?。！？:：;；][\"'”’)）」』]*$")
_NO_HEADING_END = re.compile(r"[,;，；、。-]$|[a-z]\.$")
_HEADING_SIZE = 1.28
_BOLD_SIZE = 1.12
_HEADING_WIDTH = 160
_TALL_GAP = 0.75
_ONE_LEVEL = 0.92


@dataclass(frozen=True, slots=True)
class Style:
    """What is usual in a document: the height of the letters of its text, whether these are bold, and its words."""

    size: float
    bold: bool
    words: Mapping[str, int] = field(default_factory=dict)


def style_of(pages: Sequence[Sequence[Line]]) -> Style:
    """Return the style that most letters of a document have."""
    sizes: Counter[float] = Counter()
    bold = total = 0
    for page in pages:
        for line in page:
            length = len(line.text)
            sizes[round(line.size * 2) / 2] += length
            total += length
            bold += length * line.bold
    words = words_of("\n".join(line.text for page in pages for line in page))
    return Style(sizes.most_common(1)[0][0] if sizes else 10.0, bold * 2 > total, words)


def page_parts(lines: Sequence[Line], style: Style, page: int) -> list[Part]:
    """Return the parts of one page; heading levels are still sizes (`level` in tenths of a point), see `levels`."""
    lines = [_labelled(line) for line in lines]
    parts: list[Part] = []
    at = 0
    for region in [*find_tables(lines, style.words), None]:
        end = region.start if region else len(lines)
        parts.extend(_flow(lines[at:end], style, page))
        if region is None:
            break
        if region.columns:
            parts.extend(Part(join_lines(column, style.words), page=page) for column in region.columns)
        else:
            parts.append(Part(region.markdown(), "table", page=page))
        at = region.end
    return parts


def _labelled(line: Line) -> Line:
    """Put a bullet or number that stands apart to the text it labels."""
    if len(line.segments) < 2 or not _LABEL.match(line.segments[0].text.strip()):
        return line
    label, text = line.segments[0], line.segments[1]
    joined = Segment(f"{label.text} {text.text}", label.x0, min(label.y0, text.y0), text.x1, max(label.y1, text.y1))
    return Line([joined, *line.segments[2:]], line.size, line.bold, line.turned, line.vertical)


def _flow(lines: Sequence[Line], style: Style, page: int) -> Iterator[Part]:
    """Yield the headings, list items and paragraphs of lines that are no table."""
    listed = False
    pending: Part | None = None  # a heading that may go on in a centred line below
    for glue, group in _groups(lines):
        text = close_spread(join_lines([line.text for line in group], style.words))
        if not text:
            continue
        bullet = _BULLET.match(text)
        if not bullet and _is_heading(group, text, style):
            listed = False
            heading = Part(text, "heading", round(max(line.size for line in group) * 10), page)
            if pending is not None and glue != PARAGRAPH and _same_size(pending, heading):
                heading = replace(heading, text=join_lines([pending.text, text], style.words))
            elif pending is not None:
                yield pending
            pending = heading
            continue
        if pending is not None:
            yield pending
            pending = None
        if bullet:
            text = "- " + text[bullet.end() :]
        item = bool(bullet or _NUMBER.match(text))
        yield Part(text, page=page, glue="\n" if item and listed else glue)
        listed = item
    if pending is not None:
        yield pending


def _same_size(heading: Part, other: Part) -> bool:
    return 0.95 < heading.level / max(1, other.level) < 1.05 and len(heading.text) + len(other.text) <= _HEADING_WIDTH


def _groups(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Part lines into paragraphs, each with what stands before it: a blank line, or only a line break."""
    group: list[Line] = []
    glue = PARAGRAPH
    for at, line in enumerate(lines):
        if not group:
            group = [line]
        elif _begins(group, line):
            yield glue, group
            glue, group = PARAGRAPH, [line]
        elif _broken(group, line, lines[at + 1 : at + 3]):
            yield glue, group
            glue, group = "\n", [line]
        else:
            group.append(line)
    if group:
        yield glue, group


def _begins(group: Sequence[Line], line: Line) -> bool:
    """Whether `line` begins a new paragraph after the lines of `group`, by its place or its letters."""
    last = group[-1]
    if line.vertical or last.vertical:
        return line.vertical != last.vertical or abs(line.y0 - last.y0) > 4 * line.size
    if line.turned != last.turned or _BULLET.match(line.text) or _NUMBER.match(line.text):
        return True
    if not 0.87 < line.size / last.size < 1.15 and min(len(line.text), len(last.text)) > 2:
        return True
    gap = line.y0 - last.y1
    if gap < -last.size:
        # At the top of another column the text goes on, unless a sentence ended there or a heading begins.
        return bool(_SENTENCE_END.search(last.text)) or line.bold != last.bold
    if gap > _TALL_GAP * last.size and gap > _usual_gap(group) + 0.3 * last.size:
        return True
    if line.x0 >= last.x1 or line.x1 <= last.x0:
        return True
    if last.bold and not line.bold and len(group) == 1 and not last.text.endswith(","):
        return True
    return _indented(group, line)


def _indented(group: Sequence[Line], line: Line) -> bool:
    """Whether `line` is set in, after a line that ended a sentence."""
    left = min(item.x0 for item in group[1:]) if len(group) > 1 else group[0].x0
    return bool(_SENTENCE_END.search(group[-1].text)) and 0.8 * line.size < line.x0 - left < 6 * line.size


def _broken(group: Sequence[Line], line: Line, following: Sequence[Line]) -> bool:
    """Whether the line before `line` ends early on purpose: the first word of `line` would have fitted there."""
    last = group[-1]
    if line.vertical:
        return line.text.startswith("\u3000") or last.y1 < max(item.y1 for item in [*group, line]) - 2 * line.size
    if line.y0 - last.y1 < -last.size or last.text.endswith((SOFT_HYPHEN, "-")):
        return False
    if _centred(last, line):
        return True
    near = [item for item in following if abs(item.x0 - line.x0) < 4 * line.size and item.y0 > last.y0]
    right = max(item.x1 for item in [*group, line, *near])
    words = line.segments[0].text.split(None, 1)
    first = words[0] if words else ""
    if first and is_wide(first[0]):
        first = first[0]
    width = (line.segments[0].x1 - line.segments[0].x0) / max(1, len(line.segments[0].text)) * (len(first) + 1)
    return right - last.x1 > max(width, 1.5 * last.size) + 0.5 * last.size


def _usual_gap(group: Sequence[Line]) -> float:
    gaps = [b.y0 - a.y1 for a, b in pairwise(group)]
    return sum(gaps) / len(gaps) if gaps else 0.0


def _centred(line: Line, other: Line) -> bool:
    """Whether two lines of different width stand on one middle."""
    return abs(line.x0 + line.x1 - other.x0 - other.x1) < line.size and abs(line.x0 - other.x0) > 1.5 * line.size


def _is_heading(group: Sequence[Line], text: str, style: Style) -> bool:
    """Whether a paragraph is a heading, by size or boldness, length and end."""
    if len(group) > 3 or len(text) > _HEADING_WIDTH or any(_is_odd(line) for line in group):
        return False
    letters = sum(character.isalpha() for character in text)
    if group[-1].text.endswith(SOFT_HYPHEN):
        return False
    if letters < 2 or letters < 0.5 * len(text) or _NO_HEADING_END.search(text):
        return False
    size = max(line.size for line in group)
    bold = all(line.bold for line in group) and not style.bold
    if size >= (_BOLD_SIZE if bold else _HEADING_SIZE) * style.size:
        return len(group) < 3 or size >= 1.4 * style.size
    return (
        bold and size >= 0.95 * style.size and len(group) == 1 and len(text) <= 100 and not text.endswith((":", "："))
    )


def _is_odd(line: Line) -> bool:
    return line.vertical or line.turned or len(line.segments) > 1


def levels(parts: Sequence[Part]) -> list[Part]:
    """Give headings their levels: the largest letters are level 1, and at most six levels are told apart.

    A heading that nothing follows is none.
    """
    sizes: list[int] = []
    for size in sorted({part.level for part in parts if part.kind == "heading"}, reverse=True):
        if not sizes or size < _ONE_LEVEL * sizes[-1]:
            sizes.append(size)
    result = []
    for part in parts:
        if part.kind == "heading":
            level = next(at for at, size in enumerate(sizes, 1) if part.level >= _ONE_LEVEL * size)
            part = replace(part, level=min(level, 6))
        result.append(part)
    last = len(result)
    while last and result[last - 1].kind == "heading":
        last -= 1
        if last:
            result[last] = replace(result[last], kind="prose", level=0)
    return result


def join_pages(parts: Sequence[Part], words: Mapping[str, int]) -> list[Part]:
    """Let a paragraph that a page break cuts go on: no blank line between its halves, and no hyphen."""
    result: list[Part] = []
    for part in parts:
        before = result[-1] if result else None
        if (
            before is not None
            and before.page != part.page
            and part.kind == before.kind == "prose"
            and not _SENTENCE_END.search(before.text)
            and not _BULLET.match(part.text)
            and not part.text.startswith("- ")
            and (part.text[:1].islower() or "\u4e00" <= part.text[:1] <= "\u9fff")
        ):
            whole = join_lines([before.text, part.text], words)
            kept = len(whole) - len(part.text)
            glue = " " if whole[:kept].endswith(" ") else ""
            result[-1] = replace(before, text=whole[:kept].rstrip())
            part = replace(part, glue=glue)
        result.append(part)
    return result
