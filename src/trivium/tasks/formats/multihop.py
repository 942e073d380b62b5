"""Questions over several passages: HotpotQA, 2WikiMultiHopQA, MuSiQue, MultiHop-RAG.

HotpotQA (Yang et al. 2018, arXiv:1809.09600) and 2WikiMultiHopQA (Ho et al. 2020, arXiv:2011.01060) give passages as
`[title, sentences]` and supporting facts as `[title, number of the sentence]`; the data hub's layout holds the same
as lists of titles, sentences and numbers. MuSiQue (Trivedi et al. 2022, arXiv:2108.00573) marks whole paragraphs.
MultiHop-RAG (Tang and Yang 2024, arXiv:2401.15391) quotes facts of news articles, which are published apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.tasks.records import Malformed, Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import need, text, texts
from trivium.types import Gold


def is_hotpot(record: Mapping[str, Any]) -> bool:
    """Whether a record names supporting facts by title and sentence."""
    facts = record.get("supporting_facts")
    return "question" in record and (isinstance(facts, list | Mapping) or _are_pairs(record.get("context")))


def _are_pairs(context: Any) -> bool:
    return (
        isinstance(context, list)
        and bool(context)
        and all(isinstance(one, list) and len(one) == 2 and isinstance(one[1], list) for one in context)
    )


def read_hotpot(record: Record, sheet: Sheet) -> None:
    """Read a question of HotpotQA or 2WikiMultiHopQA, in either layout."""
    value = record.value
    sources: dict[str, str] = {}
    sentences: dict[str, list[str]] = {}
    for title, lines in _pairs(value.get("context"), "title", "sentences"):
        heading, kept = text(title), [str(line) for line in lines]
        words = "".join(kept) if any(line[:1].isspace() for line in kept[1:]) else " ".join(kept)
        if words.strip():
            sources[heading] = sheet.passage(words.strip(), heading, title=heading)
            sentences[heading] = kept
    evidence = []
    for title, number in _pairs(value.get("supporting_facts"), "title", "sent_id"):
        heading = text(title)
        known = sentences.get(heading, [])
        if isinstance(number, int) and 0 <= number < len(known) and known[number].strip():
            evidence.append(Gold(sources[heading], known[number].strip()))
            continue
        source = sources.get(heading) or sheet.find(heading)
        if source:
            if known:  # the corpus of a set published apart has no sentences to point at
                sheet.report(f"points to sentence {number} of {heading!r}, which has {len(known)}", "evidence repaired")
            evidence.append(Gold(source, sheet.text_of(source)))
        else:
            sheet.report(f"points to {heading!r}, which is none of its passages", "evidence not in the set")
            evidence.append(Gold(f"{sheet.name}/{heading}", ""))
    sheet.example(
        text(value["question"]),
        id=text(value.get("_id", value.get("id"))),
        answers=(*texts(value.get("answer")), *texts(value.get("answer_aliases"))),
        evidence=evidence,
        choices=("yes", "no") if text(value.get("answer")).lower() in ("yes", "no") else (),
        tags=(text(value.get("type")), text(value.get("level"))),
    )


def _pairs(value: Any, first: str, second: str) -> list[tuple[Any, Any]]:
    """Pairs, whether they are written as a list of pairs or as two lists."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return list(zip(value[first], value[second], strict=True))
    return [(one[0], one[1]) for one in value]


def is_musique(record: Mapping[str, Any]) -> bool:
    """Whether a record's paragraphs are marked as supporting, as MuSiQue's are."""
    paragraphs = record.get("paragraphs")
    if "question_decomposition" in record:
        return True
    return isinstance(paragraphs, list) and bool(paragraphs) and "paragraph_text" in paragraphs[0]


def read_musique(record: Record, sheet: Sheet) -> None:
    """Read a question of MuSiQue, answerable or not."""
    value = record.value
    evidence = []
    for paragraph in value.get("paragraphs") or []:
        words, title = text(paragraph["paragraph_text"]), text(paragraph.get("title"))
        source = sheet.passage(words, title or text(paragraph.get("idx")), title=title)
        if paragraph.get("is_supporting"):
            evidence.append(Gold(source, words))
    unanswerable = value.get("answerable") is False
    name = text(value.get("id"))
    sheet.example(
        text(value["question"]),
        id=name,
        answers=() if unanswerable else (*texts(value.get("answer")), *texts(value.get("answer_aliases"))),
        evidence=() if unanswerable else evidence,
        unanswerable=unanswerable,
        tags=(name.split("_")[0],) if "hop" in name else (),
    )


def is_multihop_rag(record: Mapping[str, Any]) -> bool:
    """Whether a record quotes facts of articles."""
    return isinstance(record.get("evidence_list"), list)


def read_multihop_rag(record: Record, sheet: Sheet) -> None:
    """Read a question of MultiHop-RAG. Without the articles (`corpus`) each fact is a passage of its own."""
    value = record.value
    kind = text(value.get("question_type"))
    unanswerable = kind == "null_query" or text(value.get("answer")).casefold().startswith("insufficient information")
    evidence = []
    for fact in value["evidence_list"]:
        title, words = text(fact["title"]), text(fact["fact"])
        source = sheet.find(title)
        if not source:
            about = {key: text(fact.get(key)) for key in ("author", "source", "url", "published_at", "category")}
            label = f"{title}/{sheet.short(words)}"
            source = sheet.passage(words, label, title=title, metadata={k: v for k, v in about.items() if v})
        evidence.append(Gold(source, words))
    if not isinstance(value.get("answer"), str | list):
        raise Malformed("has no answer")
    sheet.example(
        text(need(value, "query", "question")),
        id=text(value.get("id")),
        answers=() if unanswerable else texts(value["answer"]),
        evidence=() if unanswerable else evidence,
        unanswerable=unanswerable,
        choices=("yes", "no") if text(value["answer"]).lower() in ("yes", "no") else (),
        tags=(kind,),
    )
