"""Recite several times, answer from each recitation, and give the answer that most of them lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.answer import Draft
from trivium.generate.manner import CLOSED_BOOK
from trivium.generate.recite import read_recited
from trivium.generate.recite import recite as recited
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run
from trivium.retrieve.search import clean_question
from trivium.text.content import content_terms
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

_TEMPERATURE = 0.7


def recite(
    question: str,
    *,
    chat: Chat,
    index: Index | None = None,
    k: int = 0,
    principals: Sequence[str] | None = None,
    where: str | Where | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    reranker: Reranker | None = None,
    recitations: int = 3,
    max_tokens: int = CLOSED_BOOK.max_tokens,
) -> Answer:
    """Answer by the majority over recitations drawn from the model's memory (Sun et al. 2022, RECITE,
    arXiv:2210.01296): no search, no citation.

    Answers count as one where their telling words are the same; of as many votes, the first recitation's wins; a
    stated ignorance has no vote beside an answer. The trace holds each recitation and its answer. The other arguments
    are those of `genread`; the text is handed to `on_text` once it is chosen.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    run = Run()
    asked = clean_question(question)
    answers: list[str] = []
    run.generate()
    for seed in range(recitations):
        with run.step("recite") as detail:
            passage = recited(asked, chat, history=history, temperature=_TEMPERATURE, seed=seed)
            said = read_recited(asked, passage.text, chat, history=history, max_tokens=max_tokens)
            run.usage += passage.usage + said.usage
            answers.append(said.text.strip())
            detail |= {"passage": passage.text, "answer": said.text}
    text, votes = elected(answers)
    if on_text is not None:
        on_text(text)
    step = Step("generate", {"model": chat.name, "votes": votes, "of": recitations})
    return run.finish(question, Draft(text, says_nothing(text), steps=(step,)))


def elected(answers: Sequence[str]) -> tuple[str, int]:
    """Return the answer that most agree on, in the words of the first of them, and how many do."""
    speaking = [answer for answer in answers if not says_nothing(answer)] or list(answers)
    votes = Counter(frozenset(content_terms(answer)) for answer in speaking)
    if not votes:
        return "", 0
    [(terms, count)] = votes.most_common(1)
    return next(answer for answer in speaking if frozenset(content_terms(answer)) == terms), count
