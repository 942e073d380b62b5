"""What the columns and keys of training files are called: read without regard to case, spaces, `_` and `-`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from trivium.text.language import NAMES
from trivium.text.normalise import normalise

_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "_id", "uid", "guid", "idx", "index", "example_id", "question_id", "qid", "编号", "序号"),
    "instruction": ("instruction", "指令"),
    "input": ("input", "inputs", "输入"),
    "output": ("output", "outputs", "输出"),
    "system": ("system", "system_prompt"),
    "tools": ("tools", "functions"),
    "history": ("history",),
    "context": ("context", "dialogue_history", "dialog_history", "passage", "paragraph", "上文", "上下文"),
    "prompt": (
        *("prompt", "question", "query", "user_query", "user_input", "problem", "ask", "q"),
        *("问题", "提问", "问句", "问"),
    ),
    "completion": (
        *(
            "completion",
            "response",
            "answer",
            "answers",
            "short_answers",
            "std_answer",
            "reply",
            "solution",
            "a",
            "chatgpt_response",
        ),
        *("assistant_response", "targets", "target", "回答", "答案", "答复", "回复", "答"),
    ),
    "chosen": ("chosen", "preferred", "preferred_output", "response_chosen"),
    "rejected": ("rejected", "dispreferred", "non_preferred_output", "response_rejected"),
    "text": (
        *(
            "text",
            "sentence",
            "review",
            "content",
            "comment",
            "tweet",
            "utterance",
            "document_text",
            "body",
            "news",
            "review_body",
            "review_text",
        ),
        *("文本", "内容", "句子", "评论", "正文", "文章"),
    ),
    "first": (
        "sentence1",
        "sentence_1",
        "sentence_a",
        "premise",
        "question1",
        "text_a",
        "text1",
        "s1",
        "句子1",
        "文本1",
    ),
    "second": (
        *("sentence2", "sentence_2", "sentence_b", "hypothesis", "hypo", "question2", "text_b", "text2", "s2"),
        *("句子2", "文本2"),
    ),
    "label": (
        *("label", "category", "class", "intent", "sentiment", "label_text", "gold_label", "is_duplicate", "polarity"),
        *("labels", "kto_tag", "tag", "标签", "类别", "分类", "情感"),
    ),
    "value": (
        "score",
        "similarity",
        "similarity_score",
        "relatedness_score",
        "value",
        "rating",
        "stars",
        "分数",
        "评分",
    ),
    "source": ("source", "src", "source_text", "document", "article", "dialogue", "原文", "源文"),
    "target": ("target", "tgt", "target_text", "summary", "highlights", "abstract", "translation_text", "译文", "摘要"),
    "query": ("query", "anchor", "question", "查询"),
    "positive": ("pos", "positive", "positives", "positive_ctxs", "positive_passages", "pos_texts"),
    "negative": ("neg", "negative", "negatives", "hard_negative_ctxs", "negative_passages", "neg_texts"),
    "tokens": ("tokens", "words", "字"),
    "tags": ("tags", "ner_tags", "ner", "bio", "pos_tags", "labels", "label", "slots"),
    "entities": ("entities", "spans", "label", "labels", "annotations"),
}
"""A role and its names. A name may have several roles: a format asks for the roles that it wants."""
_CODES = re.compile(f"(?:{'|'.join(NAMES)}|cs|pl|ro|tr|vi|sv|fi|da|id|no|hu|bg)(?:[-_]\\w+)?")
_LANGUAGES = {
    **{name.lower(): code for code, name in NAMES.items()},
    **{"英文": "en", "英语": "en", "中文": "zh", "汉语": "zh", "法语": "fr", "德语": "de", "日语": "ja"},
}


def plain(key: object) -> str:
    """Return a column's name in the form in which names are compared."""
    return "".join(c for c in normalise(str(key)) if c.isalnum())


_PLAIN = {role: {plain(name): place for place, name in enumerate((role, *names))} for role, names in _NAMES.items()}


@lru_cache(maxsize=1024)
def _keys(keys: tuple[str, ...]) -> Mapping[str, str]:
    """Return the key that stands for each role: of several, the one that the list of names has first."""
    found = {}
    for role, names in _PLAIN.items():
        fit = [(names[plain(key)], key) for key in keys if plain(key) in names]
        if fit:
            found[role] = min(fit)[1]
    return found


def key_of(record: Mapping[str, Any], role: str) -> str:
    """Return the key of a record that stands for a role; empty where it has none with a value."""
    key = _keys(tuple(record)).get(role, "")
    if key and record[key] is None:
        key = _keys(tuple(name for name, value in record.items() if value is not None)).get(role, "")
    return key


def get(record: Mapping[str, Any], role: str) -> Any:
    """Return the value that a record has for a role, or None."""
    key = key_of(record, role)
    return record[key] if key else None


def has(record: Mapping[str, Any], *roles: str) -> bool:
    """Whether a record has a value for each of the roles."""
    keys = _keys(tuple(record))
    return all(role in keys and (record[keys[role]] is not None or bool(key_of(record, role))) for role in roles)


def language(key: object) -> str:
    """Return the language that a column is named after, or the empty text."""
    name = str(key).strip().lower()
    return _LANGUAGES.get(name, name if _CODES.fullmatch(name) else "")


def known(names: tuple[str, ...]) -> bool:
    """Whether a row's cells are names of columns, any of them known, or all of them languages: a table's header."""
    cells = [plain(name) for name in names if name.strip()]
    if len(cells) > 1 and all(map(language, filter(str.strip, names))):
        return True
    return all(len(cell) <= 40 for cell in cells) and any(cell in of for cell in cells for of in _PLAIN.values())
