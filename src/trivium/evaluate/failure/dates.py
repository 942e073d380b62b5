"""Dates and numbers as far as one can be said more or less exactly than another (English and Chinese)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trivium.text.normalise import normalise

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_SHORT = "|".join(name[:3] for name in _MONTHS)
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)}|(?:{_SHORT}|sept)(?!\w))\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?(?!\d)"
_YEAR = r"(?<![\d.,])(?P<year>[12]\d{3})(?![\d年]|[.,]\d|s\b|\s*(?:%|percent))"
_SPACE = r"[\s,，.]+(?:of\s+|the\s+|in\s+)*"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"{_DAY}{_SPACE}{_MONTH}(?:{_SPACE}{_YEAR})?",
        rf"{_MONTH}{_SPACE}{_DAY}(?:{_SPACE}{_YEAR})?",
        rf"{_MONTH}{_SPACE}{_YEAR}",
        r"(?P<year>[12]\d{3})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)",
        r"(?P<year>\d{3,4})\s*年(?!代)(?:\s*(?P<month>\d{1,2})\s*月(?:份)?(?:\s*(?P<day>\d{1,2})\s*[日号])?)?",
        r"(?<!\d)(?P<month>\d{1,2})\s*月(?:份)?\s*(?P<day>\d{1,2})\s*[日号]",
        r"(?<!\d)(?P<decade>[12]\d{2}0)(?:['’]?s\b|\s*年代)",
        r"(?P<century>\d{1,2})(?:st|nd|rd|th)?[\s-]*(?:century|centuries|世纪)",
        _YEAR,
        rf"(?<!\w){_MONTH}(?!\w)",
    )
)
_HAN = {digit: str(value) for value, digit in enumerate("〇一二三四五六七八九")} | {"零": "0"}
_HAN_YEAR = re.compile(r"[〇零一二三四五六七八九]{4}(?=\s*年)")
_SCALES = {
    "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "m": 1e6, "bn": 1e9, "k": 1e3,
    "万": 1e4, "千万": 1e7, "百万": 1e6, "亿": 1e8, "万亿": 1e12, "千": 1e3,
}  # fmt: skip
_AMOUNT = re.compile(
    r"(?<![\w.])(\d+(?:,\d{3})*(?:\.\d+)?)\s*-?(thousand|million|billion|trillion|bn|[mk]\b|千万|百万|万亿|[万亿千])?"
)


@dataclass(frozen=True, slots=True)
class Date:
    """A date as exactly as it was said; None is what was not said. `century` is 20 for 1901 to 2000."""

    century: int | None = None
    decade: int | None = None
    year: int | None = None
    month: int | None = None
    day: int | None = None

    def coarser(self, other: Date) -> bool:
        """Whether this says less than `other`, and nothing that contradicts it."""
        own, full = self._said(), other._said()
        return own.items() < full.items()

    def _said(self) -> dict[str, int]:
        said = {name: getattr(self, name) for name in ("century", "decade", "year", "month", "day")}
        if self.year is not None:
            said["decade"] = self.year // 10 * 10
        if said["decade"] is not None:
            said["century"] = (said["decade"] // 100) + 1
        return {name: value for name, value in said.items() if value is not None}


def date_in(text: str) -> Date | None:
    """Return the first and fullest date of a text, None where there is none."""
    plain = _HAN_YEAR.sub(lambda match: "".join(_HAN[digit] for digit in match.group()), normalise(text))
    for form in _FORMS:
        match = form.search(plain)
        if match is not None:
            said = {name: _value(name, value) for name, value in match.groupdict().items() if value}
            if said.get("month", 1) <= 12 and said.get("day", 1) <= 31:
                return Date(**said)
    return None


def _value(name: str, text: str) -> int:
    if name == "month" and not text.isdigit():
        return 1 + next(place for place, month in enumerate(_MONTHS) if month.startswith(text[:3]))
    return int(text)


def amounts_in(text: str) -> list[float]:
    """Return the numbers of a text with their scales: `20.3 million` is 20300000.0."""
    found = []
    for match in _AMOUNT.finditer(normalise(text)):
        found.append(float(match[1].replace(",", "")) * _SCALES.get(match[2] or "", 1.0))
    return found


def rounds_to(exact: float, said: float) -> bool:
    """Whether `said` is `exact` rounded to fewer digits, within half of its last digit that is not 0."""
    if said == exact or said == 0 or exact == 0:
        return False
    digits = f"{abs(said):.6f}".rstrip("0").rstrip(".")
    whole, _, rest = digits.partition(".")
    step = 10.0 ** -len(rest) if rest else 10.0 ** (len(whole) - len(whole.rstrip("0") or whole))
    # A step as large as the number itself ("20" for 11) is no rounding but another number.
    return abs(said - exact) <= 0.5 * step + 1e-9 and step > _step(exact)


def _step(value: float) -> float:
    digits = f"{abs(value):.6f}".rstrip("0").rstrip(".")
    whole, _, rest = digits.partition(".")
    return 10.0 ** -len(rest) if rest else 10.0 ** (len(whole) - len(whole.rstrip("0") or whole))
