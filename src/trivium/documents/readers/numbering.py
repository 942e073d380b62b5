"""The numbers that Word prints before the paragraphs of lists and numbered headings (ECMA-376 part 1, 17.9)."""

from __future__ import annotations

import re
from xml.etree import ElementTree

_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x")),
    *((9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_CHINESE = "零一二三四五六七八九"
_PLACE = re.compile(r"%(\d)")


class Numbering:
    """Counts the paragraphs of each list."""

    def __init__(self, root: ElementTree.Element | None, w: str) -> None:
        self._levels: dict[str, dict[int, tuple[str, str, int]]] = {}  # list -> level -> format, text, start
        self._counts: dict[str, dict[int, int]] = {}
        if root is None:
            return
        abstract = {item.get(f"{w}abstractNumId", ""): item for item in root.iter(f"{w}abstractNum")}
        for item in root.iter(f"{w}num"):
            reference = item.find(f"{w}abstractNumId")
            base = abstract.get(reference.get(f"{w}val", "") if reference is not None else "")
            if base is not None:
                self._levels[item.get(f"{w}numId", "")] = _levels(base, w)

    def next(self, list_id: str, level: int) -> str:
        """Return what stands before the next paragraph of a list at a level: `-`, `3.`, `2.1`, `第三章`."""
        levels = self._levels.get(list_id, {})
        kind, text, start = levels.get(level, ("bullet", "", 1))
        counts = self._counts.setdefault(list_id, {})
        counts[level] = counts.get(level, start - 1) + 1
        for deeper in [at for at in counts if at > level]:
            del counts[deeper]
        if kind == "bullet":
            return "-"
        if kind == "none":
            return ""

        def number(place: re.Match[str]) -> str:
            at = int(place[1]) - 1
            form, _, first = levels.get(at, ("decimal", "", 1))
            return written(counts.get(at, first), form)

        return _PLACE.sub(number, text).strip()


def _levels(base: ElementTree.Element, w: str) -> dict[int, tuple[str, str, int]]:
    """Return the levels of a list's definition."""
    found = {}
    for item in base.iter(f"{w}lvl"):
        values = {}
        for name in ("numFmt", "lvlText", "start"):
            element = item.find(f"{w}{name}")
            values[name] = element.get(f"{w}val", "") if element is not None else ""
        level, start = item.get(f"{w}ilvl", "0"), values["start"]
        found[int(level) if level.isdecimal() else 0] = (
            values["numFmt"] or "decimal",
            values["lvlText"],
            int(start) if start.isdecimal() else 1,
        )
    return found


def written(number: int, form: str) -> str:
    """Return a number in one of Word's forms; those not known here come as digits."""
    if form in ("lowerLetter", "upperLetter") and number > 0:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters.upper() if form == "upperLetter" else letters
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        text = ""
        for value, sign in _ROMAN:
            text += sign * (number // value)
            number %= value
        return text.upper() if form == "upperRoman" else text
    if form.startswith(("chinese", "ideograph", "japanese", "taiwanese")) and 0 <= number < 100:
        return _chinese(number)
    return str(number)


def _chinese(number: int) -> str:
    """Return a number below 100 in Chinese: 十二, 二十, 三十五."""
    tens, ones = divmod(number, 10)
    if not tens:
        return _CHINESE[ones]
    return ("" if tens == 1 else _CHINESE[tens]) + "十" + (_CHINESE[ones] if ones else "")
