"""Bytes to text when nobody says reliably in which encoding.

A byte-order mark and valid UTF-8 settle the matter. Otherwise each candidate encoding decodes a sample, and the
text that comes out is judged: rightly decoded text is made of characters that are common in its script, wrongly
decoded text of rare, mixed or impossible ones. A declared encoding is believed where what it gives is plausible.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from trivium.documents.parts import Unreadable

_SAMPLE = 12_000
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Labels that name less than is meant by them (the Encoding Standard, https://encoding.spec.whatwg.org, section 4).
_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
    "shift_jis": "cp932",
    "shift_jis_2004": "cp932",
    "euc_kr": "cp949",
}
_DECLARED = frozenset({"utf-8", "gb18030", "big5hkscs", "euc_jp", "hz", "johab", "iso2022_jp", "iso2022_kr", "cp949"})
# Candidate encoding, the list of its frequent characters, and what it gains for being the likelier one of its kind.
_WIDE = (
    ("gb18030", "simplified", 0.10),
    ("big5hkscs", "traditional", 0.05),
    ("cp932", "japanese", 0.05),
    ("euc_jp", "japanese", 0.0),
    ("cp949", "korean", 0.05),
    ("utf-16-le", "any", -0.2),
    ("utf-16-be", "any", -0.2),
)
_NARROW = (
    ("cp1252", "latin", 0.15),
    ("cp1251", "cyrillic", 0.05),
    ("koi8_r", "cyrillic", 0.0),
    ("cp1250", "central", 0.0),
    ("cp1253", "greek", 0.0),
    ("cp1255", "hebrew", 0.0),
    ("cp1256", "arabic", 0.0),
    ("iso8859-6", "arabic", 0.0),
    ("cp874", "thai", 0.0),
)
_NAMES = {"gb18030": "GB18030", "big5hkscs": "Big5", "cp932": "Shift-JIS", "cp949": "EUC-KR", "euc_jp": "EUC-JP"}
_ESCAPED = ((b"\x1b$B", "iso2022_jp_2"), (b"\x1b$@", "iso2022_jp_2"), (b"\x1b$)C", "iso2022_kr"))
_MIN_PLAUSIBLE = 0.0
_UTF16_PLAUSIBLE = 0.15
_UNSURE = 0.12


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the codec that gave it, and what the reader should know about it."""

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def decode(data: bytes, declared: str = "") -> Decoded:
    """Return the text of `data`. `declared` is the encoding that the file itself names, if it names one.

    Bytes that cannot be decoded become U+FFFD and are reported in the warnings.

    Raises:
        Unreadable: the bytes are not text.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _finish(data[len(bom) :], encoding)
    for escape, encoding in _ESCAPED:
        if escape in data[:_SAMPLE] and data.isascii():
            return _finish(data, encoding)
    if (found := _utf8(data)) is not None:
        return found
    sample = _sample(data)
    if 0 in sample or _is_binary(sample):
        # No text of an 8-bit encoding has NUL or many control characters; UTF-16 without a mark has either.
        score, encoding = max((_score(sample, name, "any"), name) for name in ("utf-16-le", "utf-16-be"))
        if score >= _UTF16_PLAUSIBLE:
            return _finish(data, encoding)
        if _is_binary(sample):
            raise Unreadable("its content is binary, of a kind that is not known")
    return _guess(data, _codec(declared))


def _finish(data: bytes, encoding: str, warnings: tuple[str, ...] = ()) -> Decoded:
    """Decode the whole of `data`, and report what does not decode."""
    try:
        return Decoded(data.decode(encoding), encoding, warnings)
    except UnicodeDecodeError as error:
        first = error.start
    text = data.decode(encoding, "replace")
    lost = text.count("\ufffd")
    name = _NAMES.get(encoding, encoding.upper())
    where = (
        f"{lost} place{'s' * (lost != 1)} could not be decoded as {name} (shown as \ufffd), the first at byte {first}"
    )
    return Decoded(text, encoding, (*warnings, where))


def _utf8(data: bytes) -> Decoded | None:
    """Decode UTF-8 with at most a few broken places; None when it is something else."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        lost = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
        kept = len(re.findall(r"[^\x00-\x7f\ufffd]", text))
        return _finish(data, "utf-8") if kept >= 20 * lost else None
    if "\0" not in text[:_SAMPLE]:
        return Decoded(text, "utf-8")
    # ASCII in UTF-16 is valid UTF-8 full of NUL; a few NUL in ordinary text are only dirt.
    return None if text[:_SAMPLE].count("\0") * 50 > min(len(text), _SAMPLE) else Decoded(text, "utf-8")


def _is_binary(sample: bytes) -> bool:
    """Control characters do not occur in text of any 8-bit encoding but for a stray place."""
    controls = len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", sample))
    return controls * 12 > len(sample)


def _codec(label: str) -> str:
    """Return Python's codec for a declared label, widened as browsers do; empty for one that is no text encoding."""
    try:
        name = codecs.lookup(label.strip(" \"'").lower()).name if label.strip() else ""
    except (LookupError, ValueError):
        return ""
    if name.startswith(("utf-16", "utf-32")):
        return "utf-8"  # a page that could be read as far as this declaration is not in UTF-16
    name = _WIDER.get(name, name)
    return name if name.startswith(("iso8859-", "cp", "koi8", "mac-")) or name in _DECLARED else ""


def _guess(data: bytes, declared: str) -> Decoded:
    """Choose the encoding whose text reads best; the declared one where its text is plausible."""
    sample = _sample(data)
    known = declared and declared not in ("utf-8", "utf-7")
    if known and _score(sample, declared, _script_of(declared)) > _MIN_PLAUSIBLE:
        return _finish(data, declared)
    ranked = sorted(
        ((_score(sample, name, script) + gain, name) for name, script, gain in (*_WIDE, *_NARROW)), reverse=True
    )
    (best, encoding), (second, other) = ranked[0], ranked[1]
    if best <= -1.0:
        raise Unreadable("its content is binary, or text in an encoding that is not known")
    warnings = []
    if declared and _NAMES.get(declared, declared) != _NAMES.get(encoding, encoding):
        warnings.append(f"it declares {declared.upper()} and was read as {_NAMES.get(encoding, encoding.upper())}")
    if best - second < _UNSURE:
        warnings.append(
            f"its encoding is uncertain: read as {_NAMES.get(encoding, encoding.upper())}, "
            f"{_NAMES.get(other, other.upper())} is possible"
        )
    return _finish(data, encoding, tuple(warnings))


def _sample(data: bytes) -> bytes:
    """Return whole lines from the start; where they are all ASCII, the first lines that are not."""
    sample = data if len(data) <= _SAMPLE else data[: data.rfind(b"\n", 0, _SAMPLE) + 1 or _SAMPLE]
    if len(sample) % 2 and len(sample) < len(data):
        sample = data[: len(sample) + 1]
    high = re.search(rb"[\x80-\xff]", data)
    if high is None or high.start() < len(sample) // 2:
        return sample
    start = data.rfind(b"\n", 0, high.start()) + 1
    return data[start : start + _SAMPLE]


def _script_of(encoding: str) -> str:
    for name, script, _ in (*_WIDE, *_NARROW):
        if name == encoding:
            return script
    return {"iso8859-5": "cyrillic", "iso8859-6": "arabic", "iso8859-7": "greek", "iso8859-8": "hebrew"}.get(
        encoding, "latin"
    )


@cache
def _common(script: str) -> frozenset[str]:
    """Return the frequent characters of a script."""
    lists: dict[str, str] = {}
    name = ""
    for line in files("trivium").joinpath("data/encodings/common_characters.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            lists[name] = ""
        elif not line.startswith("#"):
            lists[name] += line
    return frozenset("".join(lists.values()) if script == "any" else lists.get(script, ""))


def _score(sample: bytes, encoding: str, script: str) -> float:
    """Return how well `sample` reads when decoded: about 1 for ordinary text, below 0 for nonsense.

    Each character that is not ASCII weighs as many bytes as it takes, so that encodings of one and of two bytes
    are measured by the same yardstick.
    """
    if encoding.startswith("utf-16"):
        text = sample[: len(sample) & ~1].decode(encoding, "replace")
    else:
        text = sample.decode(encoding, "replace").removesuffix("\ufffd")  # the sample may end in mid-character
    wide = any(encoding == name for name, _, _ in _WIDE)
    common = _common(script) if wide else frozenset()
    total = weight = 0.0
    ascii_value = 0.6 if encoding.startswith("utf-16") else None
    for before, character, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if "\t" <= character <= "\x7f":
            if ascii_value is not None:
                total += ascii_value
                weight += 1
        elif wide:
            total += 2 * _wide_value(character, before, after, common, script)
            weight += 2
        else:
            total += _narrow_value(character, before, after, script)
            weight += 1
    if not weight:
        return -1.0
    return total / weight


def _wide_value(character: str, before: str, after: str, common: frozenset[str], script: str) -> float:
    """Judge one character that a two-byte encoding gave."""
    if before.isascii() and before.isalpha() and after.isascii() and after.isalpha():
        return -0.6  # alone in the midst of a Latin word: an accented letter and its neighbour
    if character in common:
        return 1.0
    code = ord(character)
    if script == "any" and code < 0x2000 and character.isalpha():
        return 0.5
    if 0x4E00 <= code <= 0x9FFF:
        return -0.25
    if 0x3041 <= code <= 0x30FF:
        return 0.9 if script in ("japanese", "any") else 0.0
    if 0x3000 <= code <= 0x3020 or character in "，。；：？！（）％“”‘’—…·、":
        return 0.8
    if 0xAC00 <= code <= 0xD7A3:
        return -0.1 if script in ("korean", "any") else -1.0
    if 0xFF01 <= code <= 0xFF5E:
        return 0.3
    if 0xFF61 <= code <= 0xFF9F:  # half-width katakana: what the bytes of other encodings become in Shift-JIS
        return -0.8
    if code < 0x20 or code == 0xFFFD or unicodedata.category(character) in ("Co", "Cn", "Cc", "Cs"):
        return -4.0
    return -0.8


_LETTERS = {
    "central": re.compile(r"[À-ÖØ-öø-žŒœŠšŽžŸșțȘȚ]"),
    "latin": re.compile(r"[À-ÖØ-öø-žŒœŠšŽžŸșțȘȚ]"),
    "cyrillic": re.compile(r"[Ѐ-ӿ]"),
    "greek": re.compile(r"[Ͱ-Ͽ]"),
    "hebrew": re.compile(r"[א-ת]"),
    "arabic": re.compile(r"[؀-ۿ]"),
    "thai": re.compile(r"[฀-๿]"),
}
_FREQUENT = {
    "latin": "éèàçêôîûùâëïöäüßñáíóúæœ",
    "central": "ąćęłńóśźżáčďéěíňřšťúůýžöüőűä",
    "cyrillic": "оеаинтсрвлкмдпуя",
    "greek": "αοιετσνηυρπκμλςόίά",
    "hebrew": "יוהלאתרבמשנ",
    "arabic": "اليمنورتبهدعسفة",
    "thai": "านรอกเงมยลวดทสต่้ัี",
}


def _narrow_value(character: str, before: str, after: str, script: str) -> float:
    """Judge one character that a one-byte encoding gave, by its neighbours."""
    letters = _LETTERS[script]
    if letters.match(character):
        if script in ("latin", "central"):
            # An accented letter stands alone among plain ones; in a row they are another encoding's bytes.
            plain = before.isascii() and (before.isalpha() or not before.isalnum())
            usual = 0.6 if character.lower() in _FREQUENT[script] else 0.35
            lone = usual if plain else -0.6
            return lone - 0.5 if character.isupper() and before.islower() else lone
        # Letters of the other scripts stand in a row, and not among Latin ones.
        latin = (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha())
        if latin or (character.isupper() and before.islower()):
            return -0.8
        if not letters.match(before) and not letters.match(after):
            return -0.3
        return 1.0 if character.lower() in _FREQUENT[script] else 0.3
    if character in "‘’“”–—…«»°§©®€£¥•·¿¡\xa0№،؛؟":
        return 0.5
    if character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cn", "Co"):
        return -4.0
    return -0.4
