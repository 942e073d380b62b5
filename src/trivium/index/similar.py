"""A semantic answer cache: a question that means the same as one answered before gets that answer again.

Near in meaning is not the same ("in 2021", "in 2022"; "dogs", "small dogs"): beside a high cosine, both questions must
have the same numbers, ordinals, names, telling question word and negation, share most of their words, and neither may
only add words to the other. And an answer is given only to an asker who may read every document behind
it, of the very same version of the knowledge base; refusals are never given again, since another asker may read more.
(The idea: Bang 2023, GPTCache.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium.codec import dump_answer, load_answer
from trivium.text.content import content_terms
from trivium.text.facts import names, negated, numbers
from trivium.text.normalise import normalise
from trivium.types import Answer, Step

if TYPE_CHECKING:
    from trivium.index.index import Index

LEAST = 0.9
"""The least cosine of two questions. Of 4,000 SQuAD questions asked in turn, 15 are answered from the cache at 0.9, 11
of them with what SQuAD counts as another answer; without the rules on words 75 and 46: no cosine alone is safe.
"""
SHARED = 0.6
"""The least share of the telling words of both questions that they have in common."""
_UNREADABLE = 0.15
"""The share of unknown words from which a question's vector means nothing, as in the search."""
_ASKS = re.compile(
    r"\b(who|whom|whose|when|where|why|how (?:many|much|long|old|far|often|big|tall|high)|how|which|what)\b|"
    r"(谁|何时|什么时候|哪年|哪里|哪儿|为什么|为何|怎么|如何|多少|多久|多长|几)",
    re.IGNORECASE,
)


_ORDINALS = re.compile(
    r"\b(first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|next|previous|\d+(?:st|nd|rd|th))\b|"
    r"(第[一二三四五六七八九十\d]+)",
    re.IGNORECASE,
)


def same_question(left: str, right: str) -> bool:
    """Whether two questions agree in what a vector does not tell apart: numbers, names, what is asked, negation.

    "What" and "which" ask for the same; a name counts by its words, in any case of letters.
    """
    return (
        numbers(left) == numbers(right)
        and _named(left, right)
        and _asked(left) == _asked(right)
        and negated(left) == negated(right)
        and _ordinals(left) == _ordinals(right)
        and _alike(frozenset(content_terms(left)), frozenset(content_terms(right)))
    )


def _ordinals(question: str) -> set[str]:
    return {match.group().lower() for match in _ORDINALS.finditer(question)}


def _alike(left: frozenset[str], right: frozenset[str]) -> bool:
    """Whether most words are the same, and neither side has words besides which the other has nothing for."""
    return len(left & right) >= SHARED * len(left | right) and not left < right and not right < left


def _named(left: str, right: str) -> bool:
    return all(name in normalise(right) for name in names(left)) and all(
        name in normalise(left) for name in names(right)
    )


def _asked(question: str) -> str:
    match = _ASKS.search(question)
    word = match.group().lower() if match else ""
    return "" if word in ("what", "which") else word


def behind(answer: Answer) -> set[str]:
    """Return the ids of all documents that an answer was made with: its hits, its citations, all its trace names."""
    found = {hit.chunk.document_id for hit in answer.hits} | {one.document_id for one in answer.citations}
    for step in answer.trace:
        for name in ("hits", "shown"):
            rows = step.detail.get(name)
            if isinstance(rows, list | tuple):
                ids = (str(row[0]) for row in rows if isinstance(row, list | tuple) and row)
                found |= {id.rpartition(":")[0] for id in ids if ":" in id}
    return found


def recall(
    index: Index,
    question: str,
    context: Sequence[object],
    version: int,
    *,
    principals: Sequence[str] | None,
    least: float = LEAST,
) -> Answer | None:
    """Return the answer to a question of the same meaning, for this asker; None where there is none.

    Args:
        index: the knowledge base.
        question: as asked.
        context: all else that an answer depends on, but for the asker: pattern, settings, models.
        version: of the table.
        principals: who asks; must be able to read every document behind the answer.
        least: the least cosine.

    Returns:
        The answer as it was given, with this question, and a last step "cache" that names the earlier one.
    """
    if not question.strip() or index.embedder.unknown_rate(question) >= _UNREADABLE:
        return None
    for cosine, documents, stored in index.answers.nearest(
        context, version, index.embedder.embed_query(question), least
    ):
        answer = load_answer(stored)
        if not same_question(question, answer.question):
            continue
        if all(index.document(id, principals=principals) is not None for id in documents):
            step = Step("cache", {"asked_before": answer.question, "cosine": round(cosine, 4)})
            return replace(answer, question=question, trace=(*answer.trace, step))
    return None


def keep(index: Index, key: Sequence[object], context: Sequence[object], version: int, answer: Answer) -> None:
    """Store an answer for its own question, and for those of the same meaning unless it is a refusal.

    Args:
        index: the knowledge base.
        key: all that the answer depends on, the asker and the question among it.
        context: as for `recall`.
        version: of the table.
        answer: what was answered.
    """
    documents = behind(answer)
    index.answers.put(key, version, documents, dump_answer(answer))
    if not answer.refused and documents and index.embedder.unknown_rate(answer.question) < _UNREADABLE:
        index.answers.put_question(key, context, index.embedder.embed_query(answer.question))
