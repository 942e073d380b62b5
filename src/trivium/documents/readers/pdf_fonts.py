"""Letters for fonts that do not say which letters their glyphs are.

Some typesetters (3B2 and others, common in journals of the 2000s) name each glyph by its character code, as `C83`
for `S`, and give no table from codes to Unicode, so that every extractor returns the codes of the font itself. The
names are in the font's `/Differences`; they are looked up in the file's objects directly.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

_OBJECT = re.compile(rb"(\d{1,10})\s+\d{1,5}\s+obj\b(.*?)\bendobj", re.S)
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.S)
_BASE_FONT = re.compile(rb"/BaseFont\s*/([^\s/<>\[\]()]+)")
_ENCODING = re.compile(rb"/Encoding\s+(\d+)\s+\d+\s+R")
_DIFFERENCES = re.compile(rb"/Differences\s*\[(.*?)\]", re.S)
_ITEM = re.compile(rb"(\d+)|/([^\s/\[\]<>()]+)")
_CODED = re.compile(r"[A-Za-z]{1,2}(\d{2,3})")
# What these typesetters put at the codes of rare signs; ligatures as one character each, which `clean` takes apart.
_THEIR_OWN = {94: "\u2013", 161: "\ufb00", 162: "\ufb01", 163: "\ufb02", 164: "\ufb03", 165: "\ufb04", 171: "\u0308"}
_MAX_OBJECTS = 200_000
_MAX_INFLATED = 1 << 26
_ENOUGH = 0.8

Letters = dict[str, dict[int, str]]
"""Font name to character code to letter."""


def letters_by_name(data: bytes) -> Letters:
    """Return the letters of those fonts in a PDF whose glyphs are named by character codes; often none."""
    objects = dict(_objects(data))
    found: Letters = {}
    for body in objects.values():
        font = _BASE_FONT.search(body)
        if not font:
            continue
        reference = _ENCODING.search(body)
        encoding = objects.get(int(reference.group(1)), b"") if reference else body
        differences = _DIFFERENCES.search(encoding)
        if differences:
            letters = _coded(differences.group(1))
            if letters:
                # Subsets of one font are told apart by a prefix, which PDFium drops from some: known by both names.
                name = font.group(1).decode("latin-1")
                found[name] = letters
                _merge(found.setdefault(name.split("+")[-1], {}), letters)
    return found


def _merge(known: dict[int, str], letters: dict[int, str]) -> None:
    """Add letters to those known by a name; a code that means different letters in two subsets means none."""
    for code, letter in letters.items():
        known[code] = letter if known.get(code, letter) == letter else " "


def _objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the objects of a PDF by number, also those inside compressed object streams."""
    inflated = 0
    for count, found in enumerate(_OBJECT.finditer(data)):
        if count > _MAX_OBJECTS or inflated > _MAX_INFLATED:
            return
        body = found.group(2)
        stream = _STREAM.search(body) if b"/ObjStm" in body[:400] else None
        if stream is None:
            yield int(found.group(1)), body[:20_000]
            continue
        try:
            content = zlib.decompressobj().decompress(stream.group(1), _MAX_INFLATED)
        except zlib.error:
            continue
        inflated += len(content)
        yield from _packed(body[: stream.start()], content)


def _packed(head: bytes, content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the objects inside an object stream."""
    first = re.search(rb"/First\s+(\d+)", head)
    if not first:
        return
    start = int(first.group(1))
    numbers = [int(word) for word in content[:start].split() if word.isdigit()]
    places = [start + offset for offset in numbers[1::2]]
    for number, begin, end in zip(numbers[::2], places, [*places[1:], len(content)], strict=False):
        yield number, content[begin:end]


def _coded(differences: bytes) -> dict[int, str]:
    """Return code to letter where nearly all glyph names hold a printable character code, else nothing."""
    letters: dict[int, str] = {}
    names = code = 0
    for number, name in _ITEM.findall(differences):
        if number:
            code = int(number)
            continue
        names += 1
        match = _CODED.fullmatch(name.decode("latin-1"))
        if match and 32 <= int(match.group(1)) <= 255:
            value = int(match.group(1))
            letters[code] = _THEIR_OWN.get(value) or bytes([value]).decode("cp1252", "replace")
        code += 1
    return letters if names and len(letters) >= _ENOUGH * names else {}
