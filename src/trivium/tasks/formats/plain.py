"""Questions in plain records: Trivium's own JSONL form, NQ-open, tables, and whatever else names its columns clearly.

The names of columns are read without regard to case, spaces, `_` and `-`, in English and Chinese (`_NAMES`). A name
that is none of them but very like one (`anwser`) is taken as it, and reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from trivium.tasks.records import Malformed, Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import Alternatives, parts, text, texts, unpacked
from trivium.text.normalise import normalise
from trivium.types import Gold, Scalar

_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "_id", "qid", "question_id", "example_id", "uid", "idx", "编号", "序号", "题号"),
    "question": (
        *("question", "questions", "query", "queries", "user_input", "user_query", "q"),
        *("问题", "提问", "问句", "题目", "题干", "查询", "疑问"),
    ),
    "answers": (
        *(
            "answers",
            "answer",
            "short_answers",
            "possible_answers",
            "correct_answers",
            "correct_answer",
            "gold_answers",
        ),
        *("gold_answer", "golden_answers", "gold", "ground_truth", "ground_truths", "groundtruth", "reference_answer"),
        *("reference_answers", "reference", "references", "expected_answer", "expected_output", "expected", "a"),
        *("答案", "标准答案", "参考答案", "正确答案", "回答", "答复", "解答", "期望答案", "标准回答"),
    ),
    "aliases": ("answer_aliases", "aliases", "answer_alias", "alias", "同义答案", "别名"),
    "parts": ("parts", "answer_parts", "要点"),
    "evidence": (
        *("evidence", "evidences", "reference_contexts", "reference_context", "gold_contexts", "gold_passages"),
        *("supporting_passages", "supporting_text", "ground_truth_context", "依据", "证据", "答案依据", "出处原文"),
    ),
    "context": (
        *("context", "contexts", "passage", "passages", "paragraph", "paragraphs", "ctxs"),
        *("原文", "上下文", "段落", "背景", "材料", "参考文本", "文本", "文章", "参考资料"),
    ),
    "source": (
        *("source", "document", "doc", "doc_name", "document_name", "file", "filename", "file_name", "doc_url", "url"),
        *("来源", "出处", "文件", "文件名", "文档", "文档名", "资料来源"),
    ),
    "title": ("title", "标题", "题名"),
    "unanswerable": ("unanswerable", "is_impossible", "impossible", "无法回答", "不可回答"),
    "answerable": ("answerable", "可回答"),
    "choices": ("choices", "options", "选项", "候选项"),
    "format": ("format", "answer_format", "格式", "答案格式"),
    "tags": ("tags", "tag", "category", "type", "question_type", "level", "类别", "标签", "类型", "分类"),
    "language": ("language", "lang", "语言"),
    "metadata": ("metadata", "meta", "元数据"),
}


def _plain(key: str) -> str:
    return "".join(c for c in normalise(str(key)) if c.isalnum())


_ROLES = {_plain(name): role for role, names in _NAMES.items() for name in names}
_GUESSED = ("question", "answers", "answer", "evidence", "unanswerable", "choices", "language", "metadata", "context")
_OWN = frozenset(
    (
        "id",
        "question",
        "answers",
        "evidence",
        "unanswerable",
        "parts",
        "choices",
        "format",
        "tags",
        "language",
        "metadata",
    )
)


@lru_cache(maxsize=4096)
def role_of(key: str) -> tuple[str, bool]:
    """Return what a column's name means (empty: nothing known), and whether it had to be guessed."""
    plain = _plain(key)
    if plain in _ROLES:
        return _ROLES[plain], False
    close = get_close_matches(plain, _GUESSED, 1, 0.8) if len(plain) > 4 else []
    return (_ROLES[close[0]], True) if close else ("", False)


def roles(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the column of each role that a record has: the first of those that name it clearly, else a guess."""
    found: dict[str, str] = {}
    guessed: dict[str, str] = {}
    for key, value in record.items():
        role, guess = role_of(key)
        if role and value is not None:
            chosen = guessed if guess else found
            if role not in chosen or (not guess and record[chosen[role]] in ("", [])):
                chosen[role] = key
    return {**guessed, **found}


def is_own(record: Mapping[str, Any]) -> bool:
    """Whether a record has nothing but fields of Trivium's own form, `id` and `question` among them."""
    return "question" in record and "id" in record and all(key in _OWN for key in record)


def read_own(record: Record, sheet: Sheet) -> None:
    """Read one record of Trivium's own form; one that is not quite in it is read as a plain record."""
    value = record.value
    evidence, metadata = value.get("evidence", ()), value.get("metadata", {})
    lists = [value.get(key, ()) for key in ("answers", "choices", "tags")]
    given = [value[key] for key in ("id", "question", "format", "language") if key in value]
    exact = (
        all(isinstance(one, str) for one in given)
        and all(isinstance(one, list | tuple) and all(isinstance(word, str) for word in one) for one in lists)
        and isinstance(evidence, list | tuple)
        and all(isinstance(gold, dict) and len(gold) == 2 for gold in evidence)
        and isinstance(metadata, dict)
    )
    if not exact:
        read_plain(record, sheet)
        return
    answers, choices, tags = lists
    sheet.example(
        value["question"],
        id=value["id"],
        answers=[answer.strip() for answer in answers],
        evidence=[Gold(text(gold["source"]), text(gold["text"])) for gold in evidence],
        unanswerable=_true(value.get("unanswerable")),
        parts=parts(value["parts"]) if value.get("parts") else (),
        choices=choices,
        format=value.get("format", ""),
        tags=tags,
        language=value.get("language", ""),
        metadata=metadata,
    )


def is_plain(record: Mapping[str, Any]) -> bool:
    """Whether a record has a question."""
    return "question" in roles(record)


def read_plain(record: Record, sheet: Sheet) -> None:
    """Read one record with a question; what is known about its answer may be missing."""
    value = record.value
    found = roles(value)
    for role, key in found.items():
        if role_of(key)[1]:
            sheet.report(f"has the key {key!r}, taken as {role!r}", "misspelt key")

    def get(role: str) -> Any:
        return value[found[role]] if role in found else None

    question = get("question")
    if not isinstance(question, str):
        raise Malformed(f"has a question that is no text but {type(question).__name__}")
    answers, several = _answers(get("answers"))
    if get("parts") is not None:
        several = parts(get("parts"))
    name = text(get("id")) or text(record.key)
    metadata, extra_tags = _rest(value, found, question)
    sheet.example(
        question,
        id=name,
        answers=tuple(dict.fromkeys((*answers, *texts(get("aliases"))))),
        evidence=_evidence(sheet, value, found, (*answers, *(one for part in several for one in part))),
        unanswerable=_true(get("unanswerable")) or get("answerable") in (False, "false", "False", 0, "否"),
        parts=several,
        choices=_choices(get("choices")),
        format=text(get("format")) if isinstance(get("format"), str) else "",
        tags=(*texts(get("tags")), *extra_tags),
        language=text(get("language")),
        metadata=metadata,
    )


def _answers(value: Any) -> tuple[Alternatives, tuple[Alternatives, ...]]:
    """Alternatives; or, where a list holds lists, the parts of the answer."""
    value = unpacked(value)
    if isinstance(value, list) and any(isinstance(one, list) for one in value):
        several = parts(value)
        return (several[0], ()) if len(several) == 1 else ((), several)
    return texts(value), ()


def _true(value: Any) -> bool:
    return value is True or value == 1 or (isinstance(value, str) and value.strip().casefold() in _YES)


_YES = ("true", "yes", "1", "y", "是", "对")


def _choices(value: Any) -> Alternatives:
    if isinstance(value, Mapping) and "text" not in value:  # {"A": "...", "B": "..."}
        value = list(value.values())
    return texts(value) if value is not None else ()


def _evidence(
    sheet: Sheet, value: Mapping[str, Any], found: Mapping[str, str], answers: Alternatives
) -> tuple[Gold, ...]:
    """The gold evidence: as given, else those of the record's own passages that hold an answer (or all of them)."""
    source = value[found["source"]] if "source" in found else ""
    source = source if isinstance(source, str) else ""
    given = value[found["evidence"]] if "evidence" in found else None
    if given:
        return tuple(_gold(one, source, sheet) for one in (given if isinstance(given, list) else [given]) if one)
    passages = value[found["context"]] if "context" in found else None
    title = text(value[found["title"]]) if "title" in found else ""
    kept = []
    for passage in passages if isinstance(passages, list) else [passages]:
        words, own_title, supports = _passage(passage)
        if words:
            heading = own_title or title
            kept.append(
                (Gold(sheet.passage(words, heading or f"passage/{sheet.short(words)}", title=heading), words), supports)
            )
    if any(supports for _, supports in kept):
        return tuple(gold for gold, supports in kept if supports)
    holding = [gold for gold, _ in kept if any(normalise(a) in normalise(gold.text) for a in answers)]
    if not kept and source and "context" not in found and answers and "url" not in _plain(found["source"]):
        return (Gold(source, ""),)
    return tuple(holding or (gold for gold, supports in kept if supports is None))


def _passage(passage: Any) -> tuple[str, str, bool | None]:
    """The text, the title and the mark (None: unmarked) of a passage."""
    if isinstance(passage, Mapping):
        words = next(
            (passage[k] for k in ("text", "paragraph_text", "content", "contents", "body") if passage.get(k)), ""
        )
        words = "\n".join(words) if isinstance(words, list) else words
        mark = passage.get("is_supporting", passage.get("is_selected"))
        return text(words), text(passage.get("title")), None if mark is None else bool(mark)
    return text(passage), "", None


def _gold(one: Any, source: str, sheet: Sheet) -> Gold:
    if isinstance(one, Mapping):
        words = one.get("text", one.get("evidence_text", one.get("content", one.get("fact", ""))))
        named = text(one.get("source", one.get("document", one.get("doc_name", ""))))
        return Gold(named or source, text(words))
    words = text(one)
    return Gold(source or sheet.passage(words, f"passage/{sheet.short(words)}"), words)


def _rest(value: Mapping[str, Any], found: Mapping[str, str], question: str) -> tuple[dict[str, Scalar], list[str]]:
    """The other plain values of a record, kept as metadata; and further tags."""
    used = set(found.values()) - ({found["source"]} if "source" in found and "evidence" not in found else set())
    metadata: dict[str, Scalar] = {}
    tags = []
    for key, one in value.items():
        role = role_of(key)[0]
        if role == "tags" and key != found.get("tags") and isinstance(one, str):
            tags.append(one)
        elif key not in used and one != question and isinstance(one, str | int | float) and len(str(one)) <= _METADATA:
            metadata[key] = one
    given = value.get(found.get("metadata", ""))
    if isinstance(given, Mapping):
        metadata.update({str(k): v for k, v in given.items() if isinstance(v, str | int | float)})
    return metadata, tags


_METADATA = 2_000
"""Characters of a value beyond which it is not metadata."""
