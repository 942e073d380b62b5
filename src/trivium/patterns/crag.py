"""CRAG: grade what was found; keep what is right, and search more widely where nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.choose import choose_one
from trivium.generate.manner import manner_for
from trivium.generate.queries import ask_queries
from trivium.generate.shown_with import with_passages
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, read, understand, weigh_alone
from trivium.retrieve.many import search_all
from trivium.retrieve.search import can_read, search
from trivium.types import Answer, Hit, Message, Usage

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

GRADES = ("correct", "ambiguous", "incorrect")
_DOUBT = 0.5
"""The share of the probability that is needed for an answer, from which a passage alone is ambiguous."""
_GRADE_TOKENS = 48


def crag(
    question: str,
    *,
    chat: Chat,
    index: Index,
    k: int = 10,
    principals: Sequence[str] | None = None,
    where: str | Where | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    reranker: Reranker | None = None,
    graded: int = 5,
) -> Answer:
    """Answer from the passages that pass a grading, or from a wider search (Yan et al. 2024, arXiv:2401.15884).

    Each of the first passages is graded `correct`, `ambiguous` or `incorrect`: by the model, or, where it is too small,
    by the judgement of the evidence (`generate/refuse.py`) on the passage alone. One that is correct: the incorrect
    ones go. None but ambiguous ones: they stay, and a rewriting of the question is searched for as well. All
    incorrect: only what the rewriting and a search three times as deep find is read. The paper's web search is this
    wider search, and whole passages are kept or dropped, not strips of them.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    with run.step("grade") as detail:
        grades, how, usage = _grades(asked, hits[:graded], chat, index)
        run.usage += usage
        action = next((each for each in GRADES if each in grades), "incorrect")
        detail |= {"grades": dict(zip((hit.chunk.id for hit in hits), grades, strict=False)), "how": how}
        detail["action"] = action
    kept = [hit for hit, each in zip(hits, grades, strict=False) if each != "incorrect"] + hits[len(grades) :]
    if action != "correct":
        with run.step("widen search") as detail:
            written = ask_queries("rewrite", asked, chat, most=1)
            run.usage += written.usage
            found_now = search_all(
                index, asked, [asked, *written.texts], k=3 * wanted, where=where, principals=principals
            )
            wrong = {hit.chunk.id for hit, each in zip(hits, grades, strict=False) if each == "incorrect"}
            known = {hit.chunk.id for hit in kept}
            kept += [hit for hit in found_now if hit.chunk.id not in wrong | known]
            detail |= {**written.told, **found(kept)}
        kept = choose(run, asked, kept, k, reranker)
    return read(
        run,
        question,
        asked,
        kept[:k],
        chat=chat,
        index=index,
        principals=principals,
        history=history,
        on_text=on_text,
    )


def _grades(question: str, hits: Sequence[Hit], chat: Chat, index: Index) -> tuple[list[str], str, Usage]:
    """Return the grade of each passage, who gave it, and the tokens that it took."""
    grades, usage = [], Usage()
    if manner_for(chat).extracts:
        embedder, chunks = index.embedder if can_read(index, question) else None, index.size()
        for hit in hits:
            verdict, _ = weigh_alone(question, hit, embedder, chunks)
            share = verdict.probability / verdict.threshold
            grades.append("correct" if share >= 1.0 else "ambiguous" if share >= _DOUBT else "incorrect")
        return grades, "evidence", usage
    for hit in hits:
        messages, _ = with_passages("grade", question, [hit], chat, max_tokens=_GRADE_TOKENS)
        choice = choose_one(messages, GRADES, chat)
        usage += choice.usage
        grades.append(choice.first or "ambiguous")
    return grades, "model", usage
