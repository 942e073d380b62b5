"""The printed lines of a PDF page with their places, from PDFium's characters."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from trivium.documents.readers.pdf_fonts import Letters

SOFT_HYPHEN = "\ufffe"
"""What PDFium puts where a line ends in the printer's hyphen; `clean.join_lines` understands it."""

_GAP = 1.2
_BOLD = re.compile(r"bold|black|heavy|demi|semib", re.I)
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe]")
_RUN = re.compile(
    r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe](?:[\s\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe]*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe])?"
)
_LINE_END = re.compile("[\r\n]+|\ufffe|\\Z")
_SPACING_ACCENTS = {"\u00a8": "\u0308", "\u00b4": "\u0301", "\u0060": "\u0300", "\u02c6": "\u0302", "\u02dc": "\u0303"}
_ACCENTED = re.compile(r"([\u00a8\u00b4\u0060\u02c6\u02dc])([a-zA-Z\u0131])")


@dataclass(slots=True)
class Segment:
    """A run of words without a wide gap. `x0` to `x1` from the left, `y0` to `y1` from the top, in points."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(slots=True)
class Line:
    """A printed line: its segments from left to right, the height of its letters, whether they are bold.

    `turned` lines run in another direction than most of the page; `vertical` ones are written from top to bottom.
    """

    segments: list[Segment]
    size: float
    bold: bool = False
    turned: bool = False
    vertical: bool = False
    edges: tuple[float, float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        self.edges = (
            min(s.x0 for s in self.segments),
            min(s.y0 for s in self.segments),
            max(s.x1 for s in self.segments),
            max(s.y1 for s in self.segments),
        )

    @property
    def text(self) -> str:
        """The words of the line, its segments one space apart."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def x0(self) -> float:
        return self.edges[0]

    @property
    def y0(self) -> float:
        return self.edges[1]

    @property
    def x1(self) -> float:
        return self.edges[2]

    @property
    def y1(self) -> float:
        return self.edges[3]

    def add(self, other: Line) -> None:
        """Take up a line that goes on at the same height."""
        last, first = self.segments[-1], other.segments[0]
        if first.x0 - last.x1 <= _GAP * self.size:
            space = "" if first.x0 - last.x1 < 0.15 * self.size else " "
            last.text += space + first.text
            last.x1, last.y0, last.y1 = first.x1, min(last.y0, first.y0), max(last.y1, first.y1)
            self.segments.extend(other.segments[1:])
        else:
            self.segments.extend(other.segments)
        self.size = max(self.size, other.size)
        self.__post_init__()


Box = tuple[float, float, float, float]


class PageText:
    """The characters of one page, and where they stand."""

    def __init__(self, page: Any, letters: Letters | None = None) -> None:
        import pypdfium2.raw as raw

        self._raw = raw
        self._text_page = page.get_textpage()
        self._handle = self._text_page.raw
        self._rect = raw.FS_RECTF()
        self._pointer = ctypes.byref(self._rect)
        self.turn: int = page.get_rotation()
        self.left, self.bottom, _, _ = page.get_bbox()
        width, height = page.get_size()  # as shown; the boxes of characters are those of the page before it is turned
        self.width, self.height = (height, width) if self.turn in (90, 270) else (width, height)
        self.unmapped = 0
        """How many characters are of glyphs for which their font names no letter."""
        self.characters = self._mapped(self._characters(), letters or {})

    def _characters(self) -> str:
        """Return one character per place; those beyond the Basic Multilingual Plane as they are."""
        count = self._text_page.count_chars()
        if count <= 0:
            return ""
        text: str = self._text_page.get_text_range(0, count, errors="replace")
        if len(text) == count:
            return text
        code = self._raw.FPDFText_GetUnicode
        return "".join(_character(code(self._handle, at)) for at in range(count))

    def _mapped(self, text: str, letters: Letters) -> str:
        """Return `text` with the characters that PDFium could not map named by their fonts, or taken out."""
        wrong = self._raw.FPDFText_HasUnicodeMapError
        handle = self._handle
        places = [at for at in range(len(text)) if wrong(handle, at) == 1]
        if not places:
            return text
        characters = list(text)
        for at in places:
            # Without a mapping PDFium gives the code itself.
            letter = letters.get(self._font(at), {}).get(ord(text[at])) if letters else None
            self.unmapped += letter is None
            characters[at] = letter or " "
        return "".join(characters)

    def _font(self, at: int) -> str:
        """Return the name of the font of the character at a place."""
        item = self._raw.FPDFText_GetTextObject(self._handle, at)
        font = self._raw.FPDFTextObj_GetFont(item) if item else None
        if not font:
            return ""
        name = ctypes.create_string_buffer(256)
        self._raw.FPDFFont_GetBaseFontName(font, name, 256)
        return name.value.decode("latin-1")

    def close(self) -> None:
        """Give the page's memory back."""
        self._text_page.close()

    def box(self, at: int) -> Box:
        """Return the box of the character at a place: left, bottom, right, top in the page's own space."""
        self._raw.FPDFText_GetLooseCharBox(self._handle, at, self._pointer)
        rect = self._rect
        return rect.left, rect.bottom, rect.right, rect.top

    def angle(self, at: int) -> int:
        """Return the direction of the character in degrees, to the nearest quarter turn, against the clock."""
        radians = self._raw.FPDFText_GetCharAngle(self._handle, at)
        return round(radians * 57.29578 / 90) % 4 * 90 if radians >= 0 else 0

    def bold(self, at: int) -> bool:
        """Whether the font of the character is bold."""
        weight: int = self._raw.FPDFText_GetFontWeight(self._handle, at)
        if weight >= 600:
            return True
        name = ctypes.create_string_buffer(128)
        flags = ctypes.c_int()
        self._raw.FPDFText_GetFontInfo(self._handle, at, name, 128, ctypes.byref(flags))
        return bool(_BOLD.search(name.value.decode("latin-1")))

    def seen(self, box: Box, turn: int) -> Box:
        """Turn a box into what a reader of the page sees: left, top, right, bottom from the upper left corner."""
        left, bottom, right, top = (
            box[0] - self.left,
            box[1] - self.bottom,
            box[2] - self.left,
            box[3] - self.bottom,
        )
        if turn == 90:
            return bottom, left, top, right
        if turn == 180:
            return self.width - right, bottom, self.width - left, top
        if turn == 270:
            return self.height - top, self.width - right, self.height - bottom, self.width - left
        return left, self.height - top, right, self.height - bottom


def _character(code: int) -> str:
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def page_lines(page: PageText) -> list[Line]:
    """Return the lines of a page in the order in which the file writes them, pieces of one line put together."""
    ranges = [(start, end) for start, end in _ranges(page.characters)]
    angles = Counter[int]()
    turned: list[int] = []
    for start, end in ranges:
        angle = page.angle(start)
        turned.append(angle)
        angles[angle] += end - start
    common = angles.most_common(1)[0][0] if angles else 0
    # A page shown upright whose text runs upwards is read turned with the clock.
    turn = page.turn or common
    lines: list[Line] = []
    for (start, end), angle in zip(ranges, turned, strict=True):
        line = _line(page, start, end, turn)
        if line is None:
            continue
        line.turned = angle != common
        if lines and _goes_on(lines[-1], line):
            lines[-1].add(line)
        else:
            lines.append(line)
    return lines


def _ranges(characters: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges between line ends that hold more than white space; a soft hyphen ends its line."""
    start = 0
    for found in _LINE_END.finditer(characters):
        end = found.end() if found.group() == SOFT_HYPHEN else found.start()
        if characters[start:end].strip():
            yield start, end
        start = found.end()


def _line(page: PageText, start: int, end: int, turn: int) -> Line | None:
    """Make a line of a range of characters, cut into segments at wide gaps."""
    characters = page.characters
    if _RIGHT_TO_LEFT.search(characters, start, end):
        characters = characters[:start] + _logical(page, start, end, turn) + characters[end:]
    segments: list[Segment] = []
    size = 0.0
    for word in re.finditer(r"\S+", characters[start:end]):
        first, last = start + word.start(), start + word.end() - 1
        if characters[last] == SOFT_HYPHEN and last > first:
            last -= 1
        box = page.seen(page.box(first), turn)
        height = box[3] - box[1]
        tail = page.seen(page.box(last), turn) if last > first else box
        x0, x1 = min(box[0], tail[0]), max(box[2], tail[2])
        y0, y1 = min(box[1], tail[1]), max(box[3], tail[3])
        size = max(size, height)
        gap = x0 - segments[-1].x1 if segments else 0.0
        if segments and -size <= gap <= _GAP * (height or 10.0):
            joined = segments[-1]
            joined.text += " " + word.group()
            joined.x1, joined.y0, joined.y1 = max(x1, joined.x1), min(y0, joined.y0), max(y1, joined.y1)
        else:
            segments.append(Segment(word.group(), x0, y0, x1, y1))
    if not segments:
        return None
    for segment in segments:
        segment.text = _compose(segment.text)
    spans = [word.span() for word in re.finditer(r"\S+", characters[start:end])]
    bold = page.bold(start + spans[0][0]) and page.bold(start + spans[-1][0])
    line = Line(segments, size or 10.0, bold)
    letters = sum(len(segment.text) for segment in segments)
    line.vertical = letters > 1 and line.y1 - line.y0 > 1.5 * (line.x1 - line.x0) and line.y1 - line.y0 > 1.5 * size
    return line


def _compose(text: str) -> str:
    """Put accents that TeX prints as signs of their own onto their letters: `na¨ıve` becomes `naïve`."""
    if text.isascii():
        return text
    return _ACCENTED.sub(lambda f: (f[2] if f[2] != "\u0131" else "i") + _SPACING_ACCENTS[f[1]], text)


def _logical(page: PageText, start: int, end: int, turn: int) -> str:
    """Return a range with its Arabic and Hebrew runs in the order of reading.

    Some files store them as they look, from left to right: there the places of the letters ascend.
    """
    text = page.characters[start:end]

    def turned(found: re.Match[str]) -> str:
        run = found.group()
        letters = [at for at, character in enumerate(run) if character.isalpha()]
        if len(letters) < 2:
            return run
        first = page.seen(page.box(start + found.start() + letters[0]), turn)[0]
        last = page.seen(page.box(start + found.start() + letters[-1]), turn)[0]
        # Letters that share one place are those of one glyph, which PDFium gives last letter first.
        return run[::-1] if first <= last else run

    return _RUN.sub(turned, text)


def _goes_on(line: Line, other: Line) -> bool:
    """Whether `other` stands at the height of `line`, and to its right: PDFium cuts lines at raised signs."""
    if line.vertical or other.vertical or line.turned != other.turned:
        return False
    shared = min(line.y1, other.y1) - max(line.y0, other.y0)
    if shared < 0.5 * min(line.y1 - line.y0, other.y1 - other.y0):
        return False
    return -0.5 * line.size < other.x0 - line.x1 < 3 * line.size


def ordered(lines: Sequence[Line]) -> list[Line]:
    """Return the lines in reading order: as the file writes them, but none after a line of its column below it.

    Vertical lines are read from the right to the left, band under band.
    """
    if sum(line.vertical for line in lines) * 2 > len(lines):
        return _from_the_right(lines)
    if len(lines) > _MOST_ORDERED:
        return list(lines)
    result: list[Line] = []
    for line in lines:
        at = next((place for place, other in enumerate(result) if _stands_above(line, other)), len(result))
        result.insert(at, line)
    return result


def _from_the_right(lines: Sequence[Line]) -> list[Line]:
    """Order vertical lines: those whose heights overlap form a band."""
    result: list[Line] = []
    band: list[Line] = []
    for line in sorted(lines, key=lambda line: line.y0):
        if band and line.y0 > max(item.y1 for item in band) - line.size:
            result.extend(sorted(band, key=lambda item: -item.x1))
            band = []
        band.append(line)
    return result + sorted(band, key=lambda item: -item.x1)


_MOST_ORDERED = 3000


def _stands_above(line: Line, other: Line) -> bool:
    """Whether `line` lies wholly above `other` and shares enough of its width to be read before it."""
    if line.turned or other.turned or line.vertical or other.vertical:
        return False
    if line.y1 > other.y0 + 0.25 * min(line.size, other.size):
        return False
    shared = min(line.x1, other.x1) - max(line.x0, other.x0)
    return shared > 0.3 * min(line.x1 - line.x0, other.x1 - other.x0)
