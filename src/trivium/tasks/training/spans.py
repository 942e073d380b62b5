"""Questions whose answers are spans of a context: the layouts of SQuAD, and DuReader's pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trivium.tasks.formats.chinese import is_dureader
from trivium.tasks.formats.squad import is_squad, locate, marked_answers, one_question
from trivium.tasks.records import Malformed, Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.training.dialogue import Note
from trivium.tasks.training.values import Retrieval, SpanQuestion
from trivium.tasks.values import need, text, texts

__all__ = ["is_dureader", "is_squad", "read_dureader", "read_dureader_retrieval", "read_squad"]


def read_squad(record: Record, id: str, note: Note) -> Iterator[SpanQuestion]:
    """Read an article, a context with its questions, or one question. The article is the group."""
    value = record.value
    title = text(value.get("title")) or text(value.get("id", value.get("context_id")))
    if "question" in value:
        yield from _paragraph(one_question(value), text(value.get("title")), id, note)
    elif "qas" in value:
        yield from _paragraph(value, title, id, note)
    else:
        for number, paragraph in enumerate(value["paragraphs"]):
            name = title or text(paragraph.get("document_id", paragraph.get("id")))
            place = f"{record.where}.paragraphs[{number}]"
            try:
                yield from _paragraph(paragraph, name, place, note)
            except Malformed as error:  # the article's other paragraphs go on
                note(f"{error} in {place}", "malformed")


def _paragraph(paragraph: Mapping[str, Any], title: str, where: str, note: Note) -> Iterator[SpanQuestion]:
    context = need(paragraph, "context", "context_text")
    if not isinstance(context, str) or not context.strip():
        raise Malformed("has a context that is no text")
    for number, qa in enumerate(need(paragraph, "qas")):
        question = text(qa.get("question", qa.get("query_text")))
        place = f"{where}.qas[{number}]"
        if not question:
            note(f"has no question in {place}", "malformed")
            continue
        found = _answers(qa, context, place, note)
        if found is not None:
            own = text(qa.get("id", qa.get("qid", qa.get("query_id"))))
            answers, starts = found
            yield SpanQuestion(question, context, answers, starts, id=own or place, group=title or _named(context))


def _answers(
    qa: Mapping[str, Any], context: str, place: str, note: Note
) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
    """Return the answers in the context's own words with their offsets; None where the context holds none of them."""
    marked = marked_answers(qa)
    if qa.get("is_impossible") in (True, "true", "True", 1):
        return (), ()
    found: dict[tuple[str, int], None] = {}
    for answer, start in marked:
        if not answer.strip():
            continue
        at, state = locate(context, answer, start)
        if at is not None and context.startswith(answer, at):
            if state == "moved" and start is not None:
                note(f"has an answer at {start} in {place}, which stands at {at}", "offset repaired")
            found.setdefault((answer, at))
        elif span := loose_span(context, answer):
            note(f"has the answer {answer[:40]!r} in {place}, which its context writes otherwise", "answer repaired")
            found.setdefault((context[slice(*span)], span[0]))
        else:
            note(f"has the answer {answer[:40]!r} in {place}, which its context does not hold", "answer not in context")
    if not found:
        if marked or qa.get("is_impossible") in (False, "false", 0) or qa.get("answers") is None:
            note(f"has no answer that can be pointed at in {place}", "no span")
            return None
        return (), ()
    return tuple(answer for answer, _ in found), tuple(start for _, start in found)


def _named(context: str) -> str:
    """Return a name for a context: questions on it are one group, in whatever rows they stand."""
    return f"context {Sheet.short(context)}"


def loose_span(context: str, answer: str) -> tuple[int, int] | None:
    """Return where a context holds an answer, whatever the white space and the letter case; None: nowhere."""
    places = [place for place, character in enumerate(context) if not character.isspace()]
    bare = "".join(context[place].lower()[0] for place in places)
    wanted = "".join(character.lower()[0] for character in answer if not character.isspace())
    at = bare.find(wanted) if wanted else -1
    return None if at < 0 else (places[at], places[at + len(wanted) - 1] + 1)


def read_dureader(record: Record, id: str, note: Note) -> Iterator[SpanQuestion]:
    """Read a DuReader question on the paragraph that its annotators' answer is nearest to (He et al. 2017,
    arXiv:1711.05073): the answer is the span which the data set computed, `fake_answers`.
    """
    value = record.value
    question = text(value.get("question"))
    found: dict[str, dict[tuple[str, int], None]] = {}
    for answer, page in zip(value.get("fake_answers") or (), value.get("answer_docs") or (), strict=False):
        context = _paragraph_of(value["documents"][page])
        if span := loose_span(context, answer):  # the answer is of words, without the blanks between them
            found.setdefault(context, {}).setdefault((context[slice(*span)], span[0]))
    if not question or not found:
        raise Malformed("has no question" if not question else "has no answer that is a span of its pages")
    context, spans = next(iter(found.items()))
    answers, starts = tuple(answer for answer, _ in spans), tuple(start for _, start in spans)
    yield SpanQuestion(question, context, answers, starts, id=id, group=_named(context))


def read_dureader_retrieval(record: Record, id: str, note: Note) -> Iterator[Retrieval]:
    """Read a DuReader question with the paragraphs of the pages that answered it, and of those that did not."""
    pages = record.value["documents"]
    positives = texts([_paragraph_of(page) for page in pages if page.get("is_selected")])
    negatives = texts([_paragraph_of(page) for page in pages if not page.get("is_selected")])
    question = text(record.value.get("question"))
    if not question or not positives:
        raise Malformed("has no question" if not question else "has no page that answers it")
    yield Retrieval(question, positives, tuple(one for one in negatives if one not in positives), id=id)


def _paragraph_of(page: Mapping[str, Any]) -> str:
    paragraphs, number = page["paragraphs"], page.get("most_related_para", 0)
    if not paragraphs:
        return ""
    return text(paragraphs[number if isinstance(number, int) and 0 <= number < len(paragraphs) else 0])
