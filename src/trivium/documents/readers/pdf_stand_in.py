"""A stand-in for Chinese, Japanese and Korean fonts that a PDF names, does not hold, and the machine does not have.

PDFium drops vertical text whose letters have no width, and letters of a font that cannot be found have none. With a
font in which every character is the same box, the letters get their places, which is all that reading asks of them.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from typing import Any

_CHARSETS = frozenset({128, 129, 130, 134, 136})
"""Shift-JIS, the two Korean ones, GB2312 and Big5, as Windows numbers them."""

_HANDLE = 0x7B0C5
_EM, _ASCENT, _DESCENT = 1000, 880, -120
_NAME = b"Trivium Stand-in\0"


def install() -> None:
    """Give PDFium the stand-in, for all documents opened from now on by this process. May be called again."""
    _installed()


@cache
def _installed() -> Any:
    import pypdfium2

    data = font()

    class StandIn(pypdfium2.PdfSysfontBase):  # type: ignore[misc]
        """Answers PDFium's questions for fonts; those that the machine can answer are passed on."""

        def MapFont(self, _: Any, weight: int, italic: int, charset: int, pitch: int, face: Any, exact: Any) -> Any:
            handle = self.default.MapFont(self.default, weight, italic, charset, pitch, face, exact)
            return _HANDLE if not handle and charset in _CHARSETS else handle

        def GetFontData(self, _: Any, handle: Any, table: int, buffer: Any, size: int) -> int:
            if handle != _HANDLE:
                return int(self.default.GetFontData(self.default, handle, table, buffer, size))
            return 0 if table else _copy(data, buffer, size)

        def GetFaceName(self, _: Any, handle: Any, buffer: Any, size: int) -> int:
            if handle != _HANDLE:
                return int(self.default.GetFaceName(self.default, handle, buffer, size))
            return _copy(_NAME, buffer, size)

        def GetFontCharset(self, _: Any, handle: Any) -> int:
            return 128 if handle == _HANDLE else int(self.default.GetFontCharset(self.default, handle))

        def DeleteFont(self, _: Any, handle: Any) -> None:
            if handle != _HANDLE:
                self.default.DeleteFont(self.default, handle)

    stand_in = StandIn()
    stand_in.setup()
    return stand_in


def _copy(data: bytes, buffer: Any, size: int) -> int:
    """Write `data` where PDFium wants it, if there is room; return its length."""
    if buffer and size >= len(data):
        ctypes.memmove(buffer, data, len(data))
    return len(data)


def font() -> bytes:
    """Return a TrueType font with one glyph, a box of a full em, for all characters.

    The tables are those of https://learn.microsoft.com/typography/opentype/spec/otff; the mapping is of format 13,
    many characters to one glyph.
    """
    box = struct.pack(">hhhhh", 1, 0, _DESCENT, _EM, _ASCENT)  # one contour and its extent
    outline = box + struct.pack(">HH", 3, 0) + bytes([1] * 4)  # its last point, no instructions, points on the curve
    outline += struct.pack(">4h", 0, _EM, 0, -_EM) + struct.pack(">4h", _DESCENT, 0, _EM, 0)
    groups = ((0x20, 0xD7FF, 1), (0xE000, 0x2FFFF, 1))
    mapping = b"".join(struct.pack(">3I", *group) for group in groups)
    tables = {
        b"cmap": struct.pack(">HHHHI", 0, 1, 3, 10, 12)
        + struct.pack(">HHIII", 13, 0, 16 + len(mapping), 0, len(groups))
        + mapping,
        b"glyf": outline * 2,
        b"head": struct.pack(
            ">IIIIHHqqhhhhHHhhh",
            *(0x10000, 0x10000, 0, 0x5F0F3CF5, 0, _EM, 0, 0, 0, _DESCENT, _EM, _ASCENT, 0, 8, 2, 1, 0),
        ),
        b"hhea": struct.pack(
            ">IhhhHhhhhhh4hhH", 0x10000, _ASCENT, _DESCENT, 0, _EM, 0, 0, _EM, 1, 0, 0, *[0] * 4, 0, 2
        ),
        b"hmtx": struct.pack(">HhHh", _EM, 0, _EM, 0),
        b"loca": struct.pack(">3I", 0, len(outline), 2 * len(outline)),
        b"maxp": struct.pack(">IH13H", 0x10000, 2, 4, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0),
    }
    return _file(tables)


def _file(tables: dict[bytes, bytes]) -> bytes:
    """Put tables together to a font file."""
    count = len(tables)
    power = 1 << (count.bit_length() - 1)
    head = struct.pack(">IHHHH", 0x10000, count, power * 16, power.bit_length() - 1, (count - power) * 16)
    at = len(head) + 16 * count
    directory = body = b""
    for tag, table in sorted(tables.items()):
        padded = table + bytes(-len(table) % 4)
        total = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory += tag + struct.pack(">III", total, at, len(table))
        body += padded
        at += len(padded)
    return head + directory + body
