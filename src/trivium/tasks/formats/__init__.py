"""The question sets of the field, one family a file, told by the keys of their records.

`FORMATS` is asked in order: the particular before the general. `FOLDERS` are the collections of several files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trivium.tasks.formats.chinese import is_crud, is_dureader, read_crud, read_dureader
from trivium.tasks.formats.choices import is_choice, read_choice
from trivium.tasks.formats.claims import is_claim, read_claim
from trivium.tasks.formats.collections import is_beir, is_smart, read_beir, read_smart
from trivium.tasks.formats.conflict import is_conflict, read_conflict_record
from trivium.tasks.formats.finance import is_financebench, read_financebench
from trivium.tasks.formats.hallucination import (
    is_halluqa,
    is_halueval,
    is_truthfulqa,
    is_uhgeval,
    read_halluqa,
    read_halueval,
    read_truthfulqa,
    read_uhgeval,
)
from trivium.tasks.formats.long_answers import is_asqa, is_eli5, is_kilt, read_asqa, read_eli5, read_kilt
from trivium.tasks.formats.multihop import (
    is_hotpot,
    is_multihop_rag,
    is_musique,
    read_hotpot,
    read_multihop_rag,
    read_musique,
)
from trivium.tasks.formats.open_qa import (
    is_popqa,
    is_pubmedqa,
    is_strategyqa,
    read_popqa,
    read_pubmedqa,
    read_strategyqa,
)
from trivium.tasks.formats.plain import is_own, is_plain, read_own, read_plain
from trivium.tasks.formats.rgb import is_rgb, read_rgb_record
from trivium.tasks.formats.squad import is_squad, read_squad
from trivium.tasks.records import Record
from trivium.tasks.sheet import Sheet

Recognise = Callable[[Mapping[str, Any]], bool]
Read = Callable[[Record, Sheet], None]

FORMATS: Mapping[str, tuple[Recognise, Read]] = {
    "jsonl": (is_own, read_own),
    "squad": (is_squad, read_squad),
    "rgb": (is_rgb, read_rgb_record),
    "conflict": (is_conflict, read_conflict_record),
    "multihop-rag": (is_multihop_rag, read_multihop_rag),
    "musique": (is_musique, read_musique),
    "strategyqa": (is_strategyqa, read_strategyqa),
    "popqa": (is_popqa, read_popqa),
    "pubmedqa": (is_pubmedqa, read_pubmedqa),
    "financebench": (is_financebench, read_financebench),
    "dureader": (is_dureader, read_dureader),
    "crud-rag": (is_crud, read_crud),
    "halueval": (is_halueval, read_halueval),
    "halluqa": (is_halluqa, read_halluqa),
    "truthfulqa": (is_truthfulqa, read_truthfulqa),
    "uhgeval": (is_uhgeval, read_uhgeval),
    "asqa": (is_asqa, read_asqa),
    "eli5": (is_eli5, read_eli5),
    "hotpotqa": (is_hotpot, read_hotpot),
    "claims": (is_claim, read_claim),
    "kilt": (is_kilt, read_kilt),
    "choice": (is_choice, read_choice),
    "plain": (is_plain, read_plain),
}

FOLDERS: Mapping[str, tuple[Callable[[Path], bool], Callable[[Path, Sheet], None]]] = {
    "beir": (is_beir, read_beir),
    "smart": (is_smart, read_smart),
}
