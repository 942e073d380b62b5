"""The question sets of the field, one family a file, told by the keys of their records.

`FORMATS` is asked in order: the particular before the general. `FOLDERS` are the collections of several files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trivium.tasks.formats.plain import is_plain, read_plain
from trivium.tasks.formats.squad import is_squad, read_squad
from trivium.tasks.records import Record
from trivium.tasks.sheet import Sheet

Recognise = Callable[[Mapping[str, Any]], bool]
Read = Callable[[Record, Sheet], None]

FORMATS: Mapping[str, tuple[Recognise, Read]] = {
    "squad": (is_squad, read_squad),
    "jsonl": (is_plain, read_plain),
}

FOLDERS: Mapping[str, tuple[Callable[[Path], bool], Callable[[Path, Sheet], None]]] = {}
