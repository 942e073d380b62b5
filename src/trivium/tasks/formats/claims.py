"""Claims to be checked: FEVER and what is like it, SciFact as its authors publish it, Climate-FEVER, VitaminC, HoVer.

FEVER: Thorne et al. 2018, arXiv:1803.05355. SciFact: Wadden et al. 2020, arXiv:2004.14974. The question is the claim,
the answer its label in FEVER's words; the documents are published apart (`corpus`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.tasks.records import Malformed, Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import text
from trivium.types import Gold

LABELS = ("SUPPORTS", "REFUTES", "NOT ENOUGH INFO")
_LABELS = {
    **dict.fromkeys(("supports", "support", "supported", "true", "entailment", "0"), LABELS[0]),
    **dict.fromkeys(("refutes", "refute", "refuted", "contradict", "contradiction", "false", "1"), LABELS[1]),
    **dict.fromkeys(("notenoughinfo", "nei", "neutral", "notsupported", "notenoughevidence", "2"), LABELS[2]),
    "disputed": "DISPUTED",
}


def is_claim(record: Mapping[str, Any]) -> bool:
    """Whether a record is a claim."""
    return isinstance(record.get("claim"), str)


def read_claim(record: Record, sheet: Sheet) -> None:
    """Read a claim. One whose file has no label (a test set's) has no answer."""
    value = record.value
    evidence, labels = _evidence(value, sheet)
    given = value.get("label", value.get("claim_label", value.get("gold_label")))
    label = _label(given) if given is not None else labels[0] if labels else ""
    if not label and isinstance(value.get("evidence"), Mapping) and "cited_doc_ids" in value:
        label = LABELS[2]  # SciFact: cited, and nothing in it for or against
    sheet.example(
        value["claim"],
        id=text(value.get("id", value.get("claim_id", value.get("uid", value.get("unique_id"))))),
        answers=(label,) if label else (),
        evidence=evidence,
        choices=LABELS,
        tags=("claim",),
    )


def _label(value: Any) -> str:
    plain = "".join(c for c in text(value).lower() if c.isalnum())
    if plain not in _LABELS:
        raise Malformed(f"has the label {value!r}, which is none of {', '.join(LABELS)}")
    return _LABELS[plain]


def _evidence(value: Mapping[str, Any], sheet: Sheet) -> tuple[list[Gold], list[str]]:
    """The evidence and the labels that stand with it, of whichever layout."""
    given = value.get("evidence", value.get("evidences", value.get("supporting_facts")))
    if isinstance(given, str) and given.strip():  # VitaminC: the passage itself
        title = text(value.get("page"))
        label = f"{title or 'passage'}/{sheet.short(given)}"
        return [Gold(sheet.passage(given, label, title=title), given)], []
    if isinstance(given, Mapping):  # SciFact: document -> rationales
        found = [(doc, one) for doc, rationales in given.items() for one in rationales]
        labels = [_label(one["label"]) for _, one in found]
        return [_of_document(sheet, doc, one.get("sentences", [])) for doc, one in found], labels
    gold = []
    for one in given if isinstance(given, list) else []:
        if isinstance(one, Mapping):  # Climate-FEVER: sentences with their article
            words, title = text(one.get("evidence", one.get("text"))), text(one.get("article", one.get("title")))
            mark = text(one.get("evidence_label")).lower()
            source = sheet.passage(words, f"{title or 'passage'}/{sheet.short(words)}", title=title)
            if mark not in ("not_enough_info", "2"):
                gold.append(Gold(source, words))
        else:  # FEVER: [[annotation, evidence, page, sentence], ...]; HoVer: [page, sentence]
            gold += [_of_document(sheet, page, [line]) for page, line in _pages(one)]
    return gold, []


def _pages(group: list[Any]) -> list[tuple[Any, Any]]:
    if group and isinstance(group[0], list):
        return [(one[2], one[3]) for one in group if len(one) >= 4 and one[2] is not None]
    return [(group[-2], group[-1])] if len(group) >= 2 and group[-2] is not None else []


def _of_document(sheet: Sheet, name: Any, lines: list[Any]) -> Gold:
    """Evidence in a document of the corpus; the document's name alone where there is no corpus."""
    title = text(name)
    source = sheet.find(title) or sheet.find(title.replace("_", " "))
    if not source:
        return Gold(f"{sheet.name}/{title}", "")
    wanted = [int(line) for line in lines if str(line).isdigit()]
    sentences = sheet.sentences_of(source)
    words = " ".join(sentences[line] for line in wanted if line < len(sentences))
    return Gold(source, words or sheet.text_of(source))
